"""How much may be on its way at once."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from producers.errors import Overloaded
from schemas.topics import MAX_ENTRIES, MIB

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from producers.contract.entries import Entry

# Two calls of the largest size, with room for many small ones beside.
MAX_IN_FLIGHT = 3 * MAX_ENTRIES
MAX_IN_FLIGHT_BYTES = 192 * MIB
# What an event takes beside its context and its profile, guessed.
_ENTRY_BYTES = 256


class InFlight:
    """A budget of entries and bytes that are produced and not answered yet."""

    def __init__(
        self, max_entries: int = MAX_IN_FLIGHT, max_bytes: int = MAX_IN_FLIGHT_BYTES
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self.entries = 0
        self.bytes = 0

    @contextmanager
    def holding(self, entries: Sequence[Entry]) -> Iterator[None]:
        """Count *entries* as on their way while the block runs; Overloaded when they do not fit.

        A call that is alone always fits.
        """
        count = len(entries)
        size = sum(len(entry.context) + len(entry.profile) + _ENTRY_BYTES for entry in entries)
        if self.entries and (
            self.entries + count > self._max_entries or self.bytes + size > self._max_bytes
        ):
            raise Overloaded(f"{self.entries} recipients are on their way already")
        self.entries += count
        self.bytes += size
        try:
            yield
        finally:
            self.entries -= count
            self.bytes -= size
