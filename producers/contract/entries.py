"""What a trigger call says, once read: entries that can be handed over, and those that cannot."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - msgspec reads a struct's annotations
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from producers.contract.errors import EntryError

# Entries are structs rather than dataclasses because a call has up to 100,000 of them: one is made
# in 0.2 us instead of 1.2, and the garbage collector, which they cannot occupy, leaves them alone.


class KnownEntry(msgspec.Struct, frozen=True, gc=False):
    """An existing recipient by *rid*; an *email* beside it must be that recipient's."""

    index: int
    rid: int
    email: str | None
    context: bytes
    fields: Mapping[str, object]


class OnTheFlyEntry(msgspec.Struct, frozen=True, gc=False):
    """A recipient by address, created if the organisation does not know it.

    *context* is JSON text, empty when absent. *fields* has canonical names and normalised values;
    `profileData` maps names to the JSON text of their scalars. *status* None means not given.
    """

    index: int
    email: str
    status: int | None
    context: bytes
    fields: Mapping[str, object]


Entry = KnownEntry | OnTheFlyEntry


@dataclass(frozen=True, slots=True)
class TriggerCall:
    """One call: *size* entries in the body, each either in *entries* or named by *errors*."""

    entries: tuple[Entry, ...]
    errors: tuple[EntryError, ...]
    size: int
