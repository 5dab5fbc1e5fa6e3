"""Messages that wait for their mailing's invocation, in the batches in which they are kept.

A batch is what one transaction added to one queue, and one changelog record: a record a message
would cost the worker and the broker more than everything else about it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schemas.varint import LONGS, decode_long, encode_long

if TYPE_CHECKING:
    from collections.abc import Iterator

QueueId = tuple[int, int, int]
"""(orgid, mid, the invocation that mails it)"""
Message = tuple[int, bytes, bytes, bytes]
"""(offset of the event, rid as Avro writes it, recipient, event): see PendingState.avsc"""

# A larger batch would save nothing more, and a drain takes whole ones.
BATCH_BYTES = 64 * 1024
_PARTS = 6


@dataclass(slots=True)
class Batch:
    """Messages in the order of the log.

    *parts* are six of each message, which one after the other are a PendingMessage: nothing is
    copied until the changelog is written, and nothing decoded when the messages are sent.
    """

    base_offset: int
    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, offset: int, rid_bytes: bytes, recipient: bytes, event: bytes) -> None:
        """Add a message; *recipient* is empty when the event created it."""
        delta, recipient_size, size = offset - self.base_offset, len(recipient), len(event)
        self.parts += (
            LONGS[delta] if delta < len(LONGS) else encode_long(delta),
            rid_bytes,
            LONGS[recipient_size] if recipient_size < len(LONGS) else encode_long(recipient_size),
            recipient,
            LONGS[size] if size < len(LONGS) else encode_long(size),
            event,
        )
        self.size += recipient_size + size

    def __len__(self) -> int:
        """Return how many messages there are."""
        return len(self.parts) // _PARTS

    def __iter__(self) -> Iterator[Message]:
        parts = self.parts
        for at in range(0, len(parts), _PARTS):
            offset = self.base_offset + decode_long(parts[at], 0)[0]
            yield offset, parts[at + 1], parts[at + 3], parts[at + 5]


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
