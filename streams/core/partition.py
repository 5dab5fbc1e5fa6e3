"""The state of one partition: what its log says so far, and how to take a step back."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from schemas.records import API_TRIGGERED, DedupPolicy, MailingPhase

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.core.recipients import RecipientTable

# Grows with the fold's rules; a worker refuses state of a newer one.
FOLD_VERSION = 1

MailingId = tuple[int, int]
"""(orgid, mid)"""
QueueId = tuple[int, int, int]
"""(orgid, mid, the invocation that mails it)"""


@dataclass(frozen=True, slots=True)
class Cut:
    """An invocation whose messages are still being sent; *offset* is of the event that cut."""

    invocation: int
    offset: int


@dataclass(slots=True)
class Mailing:
    """One mailing as this partition knows it; the counters are this partition's own."""

    orgid: int
    mid: int
    name: str
    type: str
    dedup: DedupPolicy
    interval_s: int
    revision: int = 0
    state: MailingPhase = MailingPhase.ACTIVE
    invocation: int = 0
    triggered: int = 0
    created: int = 0
    known: int = 0
    duplicates: int = 0
    suppressed: int = 0
    rejected: int = 0
    sent: int = 0
    invoked_at: int = 0
    cuts: tuple[Cut, ...] = ()

    @property
    def queue_id(self) -> QueueId:
        """The queue that new messages join."""
        return (self.orgid, self.mid, self.invocation + 1)

    @property
    def pending(self) -> int:
        """Messages accepted and neither sent nor suppressed so far."""
        return self.created + self.known - self.suppressed - self.sent


@dataclass(slots=True)
class Queue:
    """The messages one invocation sends, by offset, oldest first, as the changelog's bytes.

    *seen* holds the dedup keys of a queue that is still open.
    """

    messages: dict[int, bytes] = field(default_factory=dict)
    seen: set[object] = field(default_factory=set)


@dataclass(slots=True)
class Journal:
    """How to undo one transaction."""

    seq: int
    applied: int
    mailings: dict[MailingId, Mailing | None] = field(default_factory=dict)
    added: list[tuple[QueueId, int, object]] = field(default_factory=list)
    drained: list[tuple[QueueId, list[tuple[int, bytes]]]] = field(default_factory=list)


class PartitionState:
    """Everything the fold of one partition knows.

    Between `begin` and `commit` lies a transaction; several may be open, and `rollback` undoes
    all of them, because a transaction that failed takes those after it along.
    """

    def __init__(
        self, partition: int, partitions: int, recipients: RecipientTable, *, topic_id: str = ""
    ) -> None:
        self.partition = partition
        self.partitions = partitions
        self.recipients = recipients
        self.topic_id = topic_id
        self.seq = 0
        # Invariant: every event at or below `applied` is in this state, none above it.
        self.applied = -1
        self.mailings: dict[MailingId, Mailing] = {}
        self.queues: dict[QueueId, Queue] = {}
        # Cut queues in the order of their cuts.
        self.drains: deque[QueueId] = deque()
        self.journals: deque[Journal] = deque()

    def begin(self) -> None:
        """Start a transaction: what follows can be undone."""
        self.journals.append(Journal(self.seq, self.applied))
        self.recipients.begin()

    def commit(self) -> None:
        """Keep what the oldest open transaction did."""
        self.journals.popleft()
        self.recipients.commit()

    def touch(self, mailing: Mailing) -> None:
        """Remember *mailing* as it is before this transaction changes it."""
        before = self.journals[-1].mailings
        ident = (mailing.orgid, mailing.mid)
        if ident not in before:
            before[ident] = replace(mailing)

    def add_mailing(self, mailing: Mailing) -> None:
        """Know a mailing from now on."""
        ident = (mailing.orgid, mailing.mid)
        self.journals[-1].mailings.setdefault(ident, None)
        self.mailings[ident] = mailing

    def add_message(
        self, queue_id: QueueId, offset: int, message: bytes, dedup_key: object
    ) -> None:
        """Put a message at the end of a queue; *dedup_key* None means it is never a duplicate."""
        queue = self.queues.get(queue_id)
        if queue is None:
            queue = self.queues[queue_id] = Queue()
        queue.messages[offset] = message
        if dedup_key is not None:
            queue.seen.add(dedup_key)
        self.journals[-1].added.append((queue_id, offset, dedup_key))

    def take_messages(self, queue_id: QueueId, limit: int) -> list[tuple[int, bytes]]:
        """Take the oldest messages of a queue, at most *limit*; an emptied queue is forgotten."""
        messages = self.queues[queue_id].messages
        offsets = [offset for offset, _ in zip(messages, range(limit), strict=False)]
        taken = [(offset, messages.pop(offset)) for offset in offsets]
        if not messages:
            del self.queues[queue_id]
        self.journals[-1].drained.append((queue_id, taken))
        return taken

    def waiting(self) -> list[Mailing]:
        """Return the mailings that a timer may invoke: something waits in their open queue."""
        return [
            mailing
            for orgid, mid, invocation in self.queues
            if (mailing := self.mailings[orgid, mid]).invocation + 1 == invocation
            and mailing.type == API_TRIGGERED
            and mailing.interval_s
            and mailing.state is MailingPhase.ACTIVE
        ]

    def order_drains(self) -> None:
        """Find the cut queues again, in the order of their cuts."""
        cuts = [
            (cut.offset, (mailing.orgid, mailing.mid, cut.invocation))
            for mailing in self.mailings.values()
            for cut in mailing.cuts
        ]
        self.drains = deque(queue_id for _, queue_id in sorted(cuts))

    def rollback(self, dedup_keys: Callable[[Mailing, Queue], set[object]]) -> None:
        """Undo every open transaction; *dedup_keys* finds the keys of a queue again."""
        self.recipients.rollback()
        while self.journals:
            self._undo(self.journals.pop(), dedup_keys)
        self.order_drains()

    def _undo(self, journal: Journal, dedup_keys: Callable[[Mailing, Queue], set[object]]) -> None:
        self.seq, self.applied = journal.seq, journal.applied
        # Whose open queue has to find its dedup keys again: it was cut, or its policy may have
        # changed, even there and back.
        reopened: set[MailingId] = set()
        for ident, before in journal.mailings.items():
            now = self.mailings.pop(ident)
            if before is not None:
                self.mailings[ident] = before
                if (before.invocation, before.revision) != (now.invocation, now.revision):
                    reopened.add(ident)
        for queue_id, taken in reversed(journal.drained):
            rest = self.queues.get(queue_id, Queue())
            self.queues[queue_id] = Queue(dict(taken) | rest.messages, rest.seen)
        for queue_id, offset, dedup_key in journal.added:
            queue = self.queues[queue_id]
            del queue.messages[offset]
            queue.seen.discard(dedup_key)
            if not queue.messages:
                del self.queues[queue_id]
        for ident in reopened:
            mailing = self.mailings[ident]
            open_queue = self.queues.get(mailing.queue_id)
            if open_queue is not None:
                open_queue.seen = dedup_keys(mailing, open_queue)
