"""Acknowledgements, written as they are given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from librt.strings import BytesWriter

from schemas.topics import MAX_ACK_ENTRIES

# How many items an Avro block has: of calls, or of a call's entries; none at the end of all blocks.
_ONE: Final = 2
_NONE: Final = 0


@dataclass(slots=True)
class Acks:
    """What the callers of one reply partition are told: bodies of Acknowledgement records.

    Avro writes an array in blocks of any size. Here a block is one call or one entry, so that
    nothing has to be counted, or kept apart by call, before it is written.
    """

    _full: list[bytes] = field(default_factory=list)
    _body: BytesWriter = field(default_factory=BytesWriter)
    _entries: int = 0
    _request: bytes | None = None

    def add(self, request: bytes, entry: bytes, rid: bytes, outcome: bytes) -> None:
        """Acknowledge an entry: its call and the fields of an EntryAck, as Avro has them."""
        body = self._body
        if request != self._request:
            if self._request is not None:
                body.append(_NONE)
            body.append(_ONE)
            body.write(request)
            self._request = request
        body.append(_ONE)
        body.write(entry)
        body.write(rid)
        body.write(outcome)
        self._entries += 1
        if self._entries == MAX_ACK_ENTRIES:
            self._full = self.bodies()
            self._body, self._entries, self._request = BytesWriter(), 0, None

    def bodies(self) -> list[bytes]:
        """Return everything acknowledged so far, split by size."""
        if not self._entries:
            return self._full
        return [*self._full, self._body.getvalue() + bytes((_NONE, _NONE))]
