"""What a trigger call says, once read: entries that can be handed over, and those that cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from producers.contract.errors import EntryError


@dataclass(frozen=True, slots=True)
class KnownEntry:
    """An existing recipient by *rid*; an *email* beside it must be that recipient's."""

    index: int
    rid: int
    email: str | None
    context: bytes
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class OnTheFlyEntry:
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
