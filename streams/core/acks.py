"""Acknowledgements, written as they are given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from schemas.topics import MAX_ACK_ENTRIES

_ONE: Final = b"\x02"
_END: Final = b"\x00"
_END_OF_ALL: Final = b"\x00\x00"


@dataclass(slots=True)
class Acks:
    """What the callers of one reply partition are told: bodies of Acknowledgement records.

    Avro writes an array in blocks of any size. Here a block is one call or one entry, so that
    nothing has to be counted, or kept apart by call, before it is written.
    """

    _full: list[bytes] = field(default_factory=list)
    _pieces: list[bytes] = field(default_factory=list)
    _request: bytes | None = None

    def add(self, request: bytes, entry: bytes) -> None:
        """Acknowledge an entry; *request* is its call's id and *entry* an EntryAck, as bytes."""
        if request == self._request:
            self._pieces.append(_ONE + entry)
        else:
            end = _END if self._request is not None else b""
            self._pieces.append(b"".join((end, _ONE, request, _ONE, entry)))
            self._request = request
        if len(self._pieces) == MAX_ACK_ENTRIES:
            self._full = self.bodies()
            self._pieces, self._request = [], None

    def bodies(self) -> list[bytes]:
        """Return everything acknowledged so far, split by size."""
        last = [b"".join((*self._pieces, _END_OF_ALL))] if self._pieces else []
        return [*self._full, *last]
