"""What a step of the fold asks the world to do."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from streams.core.acks import Acks
from streams.core.erased_batches import ErasedBatches
from streams.core.recipient_batches import NewRecipients


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record of the log that could not be processed, and why."""

    offset: int
    reason: str
    detail: str
    key: bytes | None
    value: bytes | None


@dataclass(slots=True)
class Replies:
    """What may go out as soon as it is known, because it follows from the log alone.

    *acks* are those of each reply partition; *answers* are (reply partition, record);
    *copies* are (log partition, key, record).
    """

    acks: defaultdict[int, Acks] = field(default_factory=lambda: defaultdict(Acks))
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    copies: list[tuple[int, bytes, bytes]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.acks or self.answers or self.copies)


@dataclass(slots=True)
class Effects:
    """What belongs into one transaction of one partition, and the replies that precede it.

    *recipients* are those it created, *changed* by log key those it wrote again, which may be the
    same, None for whoever is erased; *erased* are the batches they are taken out of. *state* are
    changelog records (key, value or None for a deletion) in the order they were decided, and all
    there are once sealed; *sends* and *statistics* are (key, record).
    """

    recipients: NewRecipients = field(default_factory=NewRecipients)
    changed: dict[bytes, bytes | None] = field(default_factory=dict)
    erased: ErasedBatches = field(default_factory=ErasedBatches)
    state: list[tuple[bytes, bytes | None]] = field(default_factory=list)
    sends: list[tuple[bytes, bytes]] = field(default_factory=list)
    statistics: list[tuple[bytes, bytes]] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    replies: Replies = field(default_factory=Replies)

    def take_replies(self) -> Replies:
        """Return the replies gathered so far, and start gathering afresh."""
        taken, self.replies = self.replies, Replies()
        return taken
