"""Messages that wait for their mailing's invocation, in the batches in which they are kept.

A batch is what one transaction added to one queue, and one changelog record: a record a message
would cost the worker and the broker more than everything else about it.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from librt.strings import BytesWriter

from schemas.varint import decode_long, span_of, write_size

if TYPE_CHECKING:
    from collections.abc import Iterator

QueueId = tuple[int, int, int]
"""(orgid, mid, the invocation that mails it)"""
Message = tuple[int, bytes, bytes, bytes]
"""(offset of the event, rid as Avro writes it, recipient, event): see PendingState.avsc"""

# A larger batch would save nothing more, and a drain takes whole ones.
BATCH_BYTES: Final = 64 * 1024


@dataclass(slots=True)
class Batch:
    """*count* messages in the order of the log, as Avro writes an array's items.

    While its transaction is open they are *items*, written as they come, so that the event is not
    kept besides. Sealed they are the changelog's *record*, from *items_at* on. *rids* are those of
    the first *indexed* messages, which take *indexed_bytes*.
    """

    base_offset: int
    count: int = 0
    size: int = 0
    items: BytesWriter = field(default_factory=BytesWriter)
    record: bytes = b""
    items_at: int = 0
    rids: set[bytes] = field(default_factory=set)
    indexed: int = 0
    indexed_bytes: int = 0

    def add(self, offset: int, rid_bytes: bytes, recipient: bytes, event: bytes) -> None:
        """Add a message; *recipient* is empty when the event created it."""
        recipient_size, size = len(recipient), len(event)
        items = self.items
        write_size(items, offset - self.base_offset)
        items.write(rid_bytes)
        write_size(items, recipient_size)
        items.write(recipient)
        write_size(items, size)
        items.write(event)
        self.size += recipient_size + size
        self.count += 1

    def seal(self, head: bytes) -> bytes:
        """Return the record, which begins with *head*, and take no more messages."""
        self.record = b"".join((head, self.items.getvalue(), b"\x00"))
        self.items_at = len(head)
        self.items = BytesWriter()
        return self.record

    def is_for(self, rid_bytes: bytes) -> bool:
        """Whether a message is for that recipient; who asks for one asks for others, too.

        So what has to be read for the answer is remembered.
        """
        if self.indexed < self.count:
            items = self.record or self.items.getvalue()
            at = self.items_at + self.indexed_bytes
            for _ in range(self.count - self.indexed):
                _, rid_at = decode_long(items, at)
                _, at = decode_long(items, rid_at)
                self.rids.add(items[rid_at:at])
                _, at = span_of(items, at)
                _, at = span_of(items, at)
            self.indexed, self.indexed_bytes = self.count, at - self.items_at
        return rid_bytes in self.rids

    def __len__(self) -> int:
        """Return how many messages there are."""
        return self.count

    def __iter__(self) -> Iterator[Message]:
        items = self.record or self.items.getvalue()
        at = self.items_at
        for _ in range(self.count):
            delta, at = decode_long(items, at)
            rid_at = at
            _, at = decode_long(items, at)
            rid_bytes = items[rid_at:at]
            at, end = span_of(items, at)
            recipient = items[at:end]
            at, end = span_of(items, end)
            yield self.base_offset + delta, rid_bytes, recipient, items[at:end]
            at = end


@dataclass(slots=True)
class Queue:
    """The messages one invocation sends: batches by their base offset, oldest first.

    *seen* holds the dedup keys of a queue that is still open.
    """

    batches: dict[int, Batch] = field(default_factory=dict)
    seen: set[object] = field(default_factory=set)

    def __len__(self) -> int:
        """Return how many messages wait."""
        return sum(map(len, self.batches.values()))

    def __iter__(self) -> Iterator[Message]:
        for batch in self.batches.values():
            yield from batch

    def after(self, offset: int) -> Iterator[Message]:
        """Yield the messages of events behind *offset*, in the order of the log."""
        bases = list(self.batches)
        # A batch ends before the next one begins.
        first = max(bisect_right(bases, offset) - 1, 0)
        for base in bases[first:]:
            for message in self.batches[base]:
                if message[0] > offset:
                    yield message
