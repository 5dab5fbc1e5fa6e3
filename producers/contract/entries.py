"""What a trigger call says, once read: entries that can be handed over, and those that cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from producers.contract.errors import EntryError

# Entries are structs rather than dataclasses because a call has up to 100,000 of them: one is made
# in 0.2 us instead of 1.2, and the garbage collector, which they cannot occupy, leaves them alone.
# Their fields are written as they are read: as a dictionary they took a microsecond more each, and
# several times the memory.


class KnownEntry(msgspec.Struct, frozen=True, gc=False):
    """An existing recipient by *rid*; an *email* beside it must be that recipient's."""

    index: int
    rid: int
    email: str | None
    context: bytes
    profile: bytes


class OnTheFlyEntry(msgspec.Struct, frozen=True, gc=False):
    """A recipient by address, created if the organisation does not know it.

    *context* is JSON text, empty when absent. *profile* is what `schemas.profiles` makes of the
    other fields, under their documented names and with normalised values; `profileData` maps names
    to the JSON text of their scalars. *status* None means not given.
    """

    index: int
    email: str
    status: int | None
    context: bytes
    profile: bytes


Entry = KnownEntry | OnTheFlyEntry


@dataclass(frozen=True, slots=True)
class TriggerCall:
    """One call: *size* entries in the body, each either in *entries* or named by *errors*."""

    entries: tuple[Entry, ...]
    errors: tuple[EntryError, ...]
    size: int
