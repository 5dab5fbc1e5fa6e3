"""Recipients in the changelog: those that one transaction created, many to a record.

Reading and writing are by hand: a restore does it for everybody. `tests/property/
test_fast_paths.py` holds both to fastavro.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from librt.strings import BytesWriter

from schemas.framing import SINGLE_OBJECT_BYTES, Framing
from schemas.records import RECIPIENT_BATCH
from schemas.topics import MAX_PARTITIONS
from schemas.varint import decode_long, encode_long, span_of, write_size
from streams.core.queues import BATCH_BYTES

_FRAME: Final = Framing().prefixes[RECIPIENT_BATCH]
# No batch has rids of more than one span, the rids of 256 neighbouring events: whoever erases one
# of them writes all batches of its span again.
SPAN: Final = 256 * MAX_PARTITIONS


@dataclass(slots=True)
class NewRecipients:
    """What a transaction created, written as it is created.

    A record takes as much as one of messages: more would save nothing, and is all that a
    compaction or a correction can take away.
    """

    _full: list[tuple[bytes, bytes]] = field(default_factory=list)
    _items: BytesWriter = field(default_factory=BytesWriter)
    _count: int = 0
    _first: int = 0
    _end: int = 0

    def add(self, key: bytes, value: bytes, rid: int) -> None:
        """Add a recipient, whose rid is above all before: log key, and framed RecipientState."""
        if rid >= self._end:
            self._close()
            self._end = (rid // SPAN + 1) * SPAN
        items = self._items
        if not self._count:
            self._first = rid
        write_size(items, len(key))
        items.write(key)
        write_size(items, len(value))
        items.write(value)
        self._count += 1
        if len(items) >= BATCH_BYTES:
            self._close()

    def records(self) -> list[tuple[bytes, bytes]]:
        """Return the changelog records of all so far."""
        if not self._count:
            return self._full
        # A rid is given once, so the first one's is a name that no other batch has.
        head = _FRAME + encode_long(self._count)
        return [*self._full, (b"b:%d" % self._first, head + self._items.getvalue() + b"\x00")]

    def _close(self) -> None:
        if self._count:
            self._full = self.records()
            self._items, self._count = BytesWriter(), 0


def read_recipients(value: bytes) -> tuple[list[bytes], list[bytes]]:
    """Return log keys and framed RecipientStates of a framed RecipientBatch of today's schema."""
    keys: list[bytes] = []
    values: list[bytes] = []
    at = SINGLE_OBJECT_BYTES
    while True:
        count, at = decode_long(value, at)
        if count == 0:
            return keys, values
        if count < 0:
            # Avro's other form of a block: its size in bytes follows.
            count = -count
            _, at = decode_long(value, at)
        for _ in range(count):
            at, end = span_of(value, at)
            keys.append(value[at:end])
            at, end = span_of(value, end)
            values.append(value[at:end])
            at = end
