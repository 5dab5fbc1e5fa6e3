"""Messages that wait for their mailing's invocation, in the batches in which they are kept.

A batch is what one transaction added to one queue, and one changelog record: a record a message
would cost the worker and the broker more than everything else about it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

QueueId = tuple[int, int, int]
"""(orgid, mid, the invocation that mails it)"""

# A larger batch would save nothing more, and a drain takes whole ones.
BATCH_BYTES = 64 * 1024


@dataclass(slots=True)
class Batch:
    """Messages in the order of the log, each as the changelog writes it (a PendingMessage)."""

    base_offset: int
    messages: list[bytes] = field(default_factory=list)
    size: int = 0


@dataclass(slots=True)
class Queue:
    """The messages one invocation sends: batches by their base offset, oldest first.

    *seen* holds the dedup keys of a queue that is still open.
    """

    batches: dict[int, Batch] = field(default_factory=dict)
    seen: set[object] = field(default_factory=set)

    def __len__(self) -> int:
        """Return how many messages wait."""
        return sum(len(batch.messages) for batch in self.batches.values())

    def __iter__(self) -> Iterator[bytes]:
        for batch in self.batches.values():
            yield from batch.messages
