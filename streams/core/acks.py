"""Acknowledgements, written as they are given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from schemas.topics import MAX_ACK_ENTRIES

_ONE: Final = b"\x02"
# The end of a call's entries, and another call.
_NEXT: Final = b"\x00\x02"
_END_OF_ALL: Final = b"\x00\x00"


@dataclass(slots=True)
class Acks:
    """What the callers of one reply partition are told: bodies of Acknowledgement records.

    Avro writes an array in blocks of any size. Here a block is one call or one entry, so that
    nothing has to be counted, or kept apart by call, before it is written.
    """

    _full: list[bytes] = field(default_factory=list)
    _pieces: list[bytes] = field(default_factory=list)
    _entries: int = 0
    _request: bytes | None = None

    def add(self, request: bytes, entry: bytes, rid: bytes, outcome: bytes) -> None:
        """Acknowledge an entry: its call and the fields of an EntryAck, as Avro has them."""
        if request == self._request:
            self._pieces += (_ONE, entry, rid, outcome)
        else:
            before = _ONE if self._request is None else _NEXT
            self._pieces += (before, request, _ONE, entry, rid, outcome)
            self._request = request
        self._entries += 1
        if self._entries == MAX_ACK_ENTRIES:
            self._full = self.bodies()
            self._pieces, self._entries, self._request = [], 0, None

    def bodies(self) -> list[bytes]:
        """Return everything acknowledged so far, split by size."""
        last = [b"".join((*self._pieces, _END_OF_ALL))] if self._pieces else []
        return [*self._full, *last]
