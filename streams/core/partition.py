"""The state of one partition: what its log says so far, and how to take a step back."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from schemas.records import (
    API_TRIGGERED,
    Channel,
    DedupPolicy,
    MailingPhase,
    UnknownRecipients,
)
from streams.core.call_table import CallTable
from streams.core.cap_table import CapTable
from streams.core.queues import BATCH_BYTES, Batch, Queue, QueueId
from streams.core.stubs import StubTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streams.core.queues import Message
    from streams.core.recipients import RecipientTable

    DedupKeys = Callable[["Mailing", Iterable[Message]], set[object]]

# Grows with the fold's rules; a worker refuses state of a newer one.
FOLD_VERSION = 3

MailingId = tuple[int, int]
"""(orgid, mid)"""


@dataclass(frozen=True, slots=True)
class Cut:
    """An invocation whose messages are still being sent; *offset* is of the event that cut.

    *channels* are those that the mailing had then: a definition that comes later changes nothing.
    """

    invocation: int
    offset: int
    channels: tuple[Channel, ...] = (Channel.EMAIL,)


@dataclass(slots=True)
class Mailing:
    """One mailing as this partition knows it; the counters are this partition's own.

    *sent* counts messages, *sms*, *sms_only* and *unreachable* by which channel they went.
    """

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
    channels: tuple[Channel, ...] = (Channel.EMAIL,)
    unknown_recipients: UnknownRecipients = UnknownRecipients.CREATE
    sms: int = 0
    sms_only: int = 0
    unreachable: int = 0
    hourly_cap: int = 0

    @property
    def queue_id(self) -> QueueId:
        """The queue that new messages join."""
        return (self.orgid, self.mid, self.invocation + 1)

    @property
    def pending(self) -> int:
        """Messages accepted and neither sent nor suppressed so far."""
        return self.created + self.known - self.suppressed - self.sent

    def record(self) -> dict[str, Any]:
        """Return the fields that MailingState and an answer's snapshot share by name.

        A fifth of the time of `asdict`, which a transaction would take for each mailing it changed.
        """
        record = {name: getattr(self, name) for name in _FIELDS}
        record["cuts"] = [
            {"invocation": cut.invocation, "offset": cut.offset, "channels": cut.channels}
            for cut in self.cuts
        ]
        return record


_FIELDS = tuple(each.name for each in fields(Mailing))


@dataclass(slots=True)
class Journal:
    """What one transaction did so far, and so how to undo it.

    *joined* is each queue's batch that the next message joins; *added* are all batches begun here
    and not drained here as well, *drained* those of earlier transactions. *rewritten* stand in the
    places of batches of earlier transactions, *replaced* are these. *reported* are the mailings
    whose rows of statistics it carries.
    """

    seq: int
    applied: int
    applied_at: int
    mailings: dict[MailingId, Mailing | None] = field(default_factory=dict)
    joined: dict[QueueId, Batch] = field(default_factory=dict)
    added: dict[tuple[QueueId, int], Batch] = field(default_factory=dict)
    drained: list[tuple[QueueId, Batch]] = field(default_factory=list)
    rewritten: dict[tuple[QueueId, int], Batch] = field(default_factory=dict)
    replaced: list[tuple[QueueId, Batch]] = field(default_factory=list)
    reported: list[MailingId] = field(default_factory=list)


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
        # The log time of the event there.
        self.applied_at = 0
        self.mailings: dict[MailingId, Mailing] = {}
        self.queues: dict[QueueId, Queue] = {}
        # Cut queues in the order of their cuts.
        self.drains: deque[QueueId] = deque()
        self.calls = CallTable()
        self.stubs = StubTable()
        # Batches of recipients of an earlier build, longer than a span: first rid, last rid.
        self.wide_batches: dict[int, int] = {}
        self.caps = CapTable()
        # Mailings that transactions changed whose rows of statistics do not tell of it yet.
        self.unreported: dict[MailingId, None] = {}
        self.journals: deque[Journal] = deque()

    def begin(self) -> None:
        """Start a transaction: what follows can be undone."""
        self.journals.append(Journal(self.seq, self.applied, self.applied_at))
        self.recipients.begin()
        self.calls.begin()
        self.stubs.begin()
        self.caps.begin()

    def commit(self) -> None:
        """Keep what the oldest open transaction did."""
        journal = self.journals.popleft()
        self.unreported.update(dict.fromkeys(journal.mailings))
        for ident in journal.reported:
            self.unreported.pop(ident, None)
        self.recipients.commit()
        self.calls.commit()
        self.stubs.commit()
        self.caps.commit()

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

    def open_queue(self, queue_id: QueueId) -> Queue:
        """Return the queue that messages join, begun when there is none."""
        queue = self.queues.get(queue_id)
        if queue is None:
            queue = self.queues[queue_id] = Queue()
        return queue

    def open_batch(self, queue_id: QueueId, offset: int) -> Batch:
        """Return the batch that the message of the event at *offset* joins."""
        journal = self.journals[-1]
        batch = journal.joined.get(queue_id)
        if batch is None or batch.size >= BATCH_BYTES:
            batch = Batch(offset)
            journal.joined[queue_id] = journal.added[queue_id, offset] = batch
            self.open_queue(queue_id).batches[offset] = batch
        return batch

    def is_pending(self, queue_id: QueueId, same: object) -> bool:
        """Whether a message with this dedup key waits in an open queue."""
        queue = self.queues.get(queue_id)
        return queue is not None and same in queue.seen

    def take_batch(self, queue_id: QueueId) -> tuple[Batch, bool]:
        """Take a queue's oldest batch; an emptied queue is forgotten.

        Also returns whether the changelog has the batch: one of this very transaction it never
        gets.
        """
        queue, journal = self.queues[queue_id], self.journals[-1]
        base_offset = next(iter(queue.batches))
        batch = queue.batches.pop(base_offset)
        if not queue.batches:
            del self.queues[queue_id]
        if journal.added.pop((queue_id, base_offset), None) is not None:
            return batch, False
        journal.rewritten.pop((queue_id, base_offset), None)
        journal.drained.append((queue_id, batch))
        return batch, True

    def replace_batch(self, queue_id: QueueId, batch: Batch) -> bool:
        """Put *batch* in the place of the one of its base offset; an empty one is forgotten.

        Returns whether the changelog has to delete it.
        """
        queue, journal = self.queues[queue_id], self.journals[-1]
        place = (queue_id, batch.base_offset)
        before = queue.batches[batch.base_offset]
        if journal.joined.get(queue_id) is before:
            del journal.joined[queue_id]
            if batch.count:
                journal.joined[queue_id] = batch
        ours = journal.added if place in journal.added else journal.rewritten
        if ours is journal.rewritten and place not in ours:
            journal.replaced.append((queue_id, before))
        if batch.count:
            queue.batches[batch.base_offset] = ours[place] = batch
            return False
        ours.pop(place, None)
        del queue.batches[batch.base_offset]
        if not queue.batches:
            del self.queues[queue_id]
        return ours is journal.rewritten

    def open_queues(self, orgid: int) -> list[tuple[Mailing, Queue]]:
        """Return the queues of an organisation that messages may still join."""
        return [
            (mailing, queue)
            for (owner, mid, invocation), queue in self.queues.items()
            if owner == orgid
            and (mailing := self.mailings[owner, mid]).invocation + 1 == invocation
        ]

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

    def rollback(self, dedup_keys: DedupKeys) -> None:
        """Undo every open transaction; *dedup_keys* finds the keys of messages again."""
        self.recipients.rollback()
        self.calls.rollback()
        self.stubs.rollback()
        self.caps.rollback()
        while self.journals:
            self._undo(self.journals.pop(), dedup_keys)
        self.order_drains()

    def _undo(self, journal: Journal, dedup_keys: DedupKeys) -> None:
        self.seq, self.applied, self.applied_at = journal.seq, journal.applied, journal.applied_at
        # Whose open queue has to find its dedup keys again: it was cut, or its policy may have
        # changed, even there and back.
        reopened: set[MailingId] = set()
        for ident, before in journal.mailings.items():
            now = self.mailings.pop(ident)
            if before is not None:
                self.mailings[ident] = before
                if (before.invocation, before.revision) != (now.invocation, now.revision):
                    reopened.add(ident)
        for (queue_id, base_offset), batch in journal.added.items():
            queue = self.queues[queue_id]
            del queue.batches[base_offset]
            mailing = self.mailings.get(queue_id[:2])
            if mailing is not None:
                queue.seen -= dedup_keys(mailing, batch)
            if not queue.batches:
                del self.queues[queue_id]
        for queue_id, batch in reversed(journal.drained):
            rest = self.queues.get(queue_id, Queue())
            self.queues[queue_id] = Queue({batch.base_offset: batch} | rest.batches, rest.seen)
        for queue_id, batch in journal.replaced:
            queue = self.open_queue(queue_id)
            queue.batches[batch.base_offset] = batch
            queue.batches = dict(sorted(queue.batches.items()))
            reopened.add(queue_id[:2])
        for ident in reopened:
            mailing = self.mailings[ident]
            open_queue = self.queues.get(mailing.queue_id)
            if open_queue is not None:
                open_queue.seen = dedup_keys(mailing, open_queue)
