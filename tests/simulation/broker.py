"""What a Kafka cluster is to the worker: partition logs, transactions, and a group's offsets.

One object stands for all brokers. Each method is one request, whole or not at all; what a cluster
does in its own time, writing the markers of a transaction, is an actor of its own for each
partition, so a schedule may let one marker be late while another is there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from confluent_kafka import KafkaError, KafkaException

from tests.simulation.group import Group
from tests.simulation.scheduler import Steps

if TYPE_CHECKING:
    from tests.simulation.group import Membership
    from tests.simulation.scheduler import Scheduler

Place = tuple[str, int]
"""(topic, partition)"""
OFFSETS: Place = ("__consumer_offsets", 0)


def refusal(
    code: int,
    reason: str = "",
    *,
    fatal: bool = False,
    retriable: bool = False,
    abort: bool = False,
) -> KafkaException:
    """Return the exception librdkafka raises for *code*."""
    return KafkaException(
        KafkaError(code, reason, fatal=fatal, retriable=retriable, txn_requires_abort=abort)
    )


class Record(NamedTuple):
    """A record as it lies in a partition; *number* counts everything appended anywhere."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    txn: Txn | None
    number: int
    # A transaction's marker takes an offset and is shown to no application.
    marker: bool = False


class Committed(NamedTuple):
    """An offset as it became visible, and when."""

    offset: int
    note: str
    at: float


class PartitionLog:
    """One partition: records, and which transactions are still open in it."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.open: dict[Txn, int] = {}

    @property
    def end(self) -> int:
        """The high watermark: one broker, so what is appended is replicated."""
        return len(self.records)

    @property
    def stable_end(self) -> int:
        """The last stable offset (KIP-98): the first record of the oldest transaction open here."""
        return min(self.open.values(), default=self.end)

    def committed(self) -> list[Record]:
        """Return what a `read_committed` reader sees."""
        return [r for r in self.records[: self.stable_end] if self.shows(r)]

    @staticmethod
    def shows(record: Record) -> bool:
        """Whether a `read_committed` reader that may read this far is given *record*."""
        return not record.marker and (record.txn is None or record.txn.outcome is True)


@dataclass(eq=False)
class Txn:
    """One transaction of one producer's epoch; *outcome* is decided before any marker says it."""

    owner: Identity
    epoch: int
    began: float
    outcome: bool | None = None
    places: list[Place] = field(default_factory=list)


@dataclass(eq=False)
class Identity:
    """What the transaction coordinator knows of a transactional.id."""

    name: str
    timeout_s: float
    epoch: int = -1
    txn: Txn | None = None

    @property
    def completing(self) -> bool:
        """Whether markers of its last one are missing: CONCURRENT_TRANSACTIONS till then."""
        return self.txn is not None and self.txn.outcome is not None


class Broker:
    """The cluster."""

    def __init__(self, scheduler: Scheduler, partitions: int, topics: dict[str, int]) -> None:
        self._scheduler = scheduler
        self.logs: dict[Place, PartitionLog] = {
            (topic, partition): PartitionLog()
            for topic, count in topics.items()
            for partition in range(count)
        }
        self.partitions = topics
        self.group = Group(scheduler, partitions)
        self.identities: dict[str, Identity] = {}
        self.offsets: dict[int, tuple[int, str]] = {}
        # A transaction's offsets are pending until its marker reaches the offsets topic.
        self.pending: dict[int, dict[Txn, tuple[int, str]]] = defaultdict(dict)
        self.offset_history: dict[int, list[Committed]] = defaultdict(list)
        self.saw: Counter[str] = Counter()
        self._appended = 0
        scheduler.add(_Timeouts(self, scheduler))

    # Produce

    def append(
        self,
        place: Place,
        key: bytes | None,
        value: bytes | None,
        headers: tuple[tuple[str, bytes], ...] = (),
        txn: Txn | None = None,
    ) -> int:
        """Append a record and return its offset.

        A record of a transaction that is over is refused: since KIP-890 a leader asks the
        coordinator before the first record of a transaction, and a marker carries the epoch that
        fences whatever comes late. Between fence and marker it is taken, and aborted with the rest.
        """
        log = self.logs[place]
        if txn is not None and place not in txn.places:
            if txn.outcome is not None or txn.epoch != txn.owner.epoch:
                raise refusal(KafkaError._FENCED, "fenced", fatal=True)
            txn.places.append(place)
            log.open[txn] = log.end
        elif txn is not None and txn not in log.open:
            raise refusal(KafkaError._FENCED, "fenced", fatal=True)
        self._appended += 1
        log.records.append(Record(log.end, key, value, headers, txn, self._appended))
        return log.end - 1

    # The transaction coordinator

    def identity(self, name: str, timeout_s: float) -> Identity:
        """Return what is known of a transactional.id."""
        return self.identities.setdefault(name, Identity(name, timeout_s))

    def fence(self, identity: Identity) -> bool:
        """InitProducerId (KIP-98): return whether the new epoch is there.

        An open transaction is aborted under a raised epoch, which fences its owner at once; the
        client is told CONCURRENT_TRANSACTIONS and asks again until all markers are written.
        """
        if identity.txn is not None:
            if identity.txn.outcome is None:
                identity.epoch += 1
                self._decide(identity.txn, commit=False)
            return False
        identity.epoch += 1
        return True

    def begin(self, identity: Identity, epoch: int) -> Txn:
        """AddPartitionsToTxn, the first of a transaction."""
        self.check_epoch(identity, epoch)
        if identity.txn is None:
            identity.txn = Txn(identity, epoch, self._scheduler.now)
        assert identity.txn.outcome is None
        return identity.txn

    def check_epoch(self, identity: Identity, epoch: int) -> None:
        """Refuse a producer whose transactional.id somebody else has initialised since."""
        if epoch != identity.epoch:
            raise refusal(KafkaError._FENCED, "fenced by a newer epoch", fatal=True)

    def end(
        self, identity: Identity, epoch: int, txn: Txn | None, *, commit: bool, late: bool = False
    ) -> None:
        """EndTxn: decides; answered before the markers are written."""
        self.check_epoch(identity, epoch)
        if txn is None or txn.outcome is commit:
            return
        if txn.outcome is not None:
            raise refusal(KafkaError.INVALID_TXN_STATE, "it ended the other way", abort=True)
        self._decide(txn, commit=commit, late=late)

    def _decide(self, txn: Txn, *, commit: bool, late: bool = False) -> None:
        txn.outcome = commit
        for place in txn.places:
            marker = self._scheduler.add(_Marker(self, self._scheduler, txn, place))
            marker.held_until = self._scheduler.now + marker.stall_s * late
        if not txn.places:
            txn.owner.txn = None

    def mark(self, txn: Txn, place: Place) -> None:
        """WriteTxnMarkers on one partition; the last one completes the transaction."""
        txn.places.remove(place)
        if place == OFFSETS:
            for partition, pending in self.pending.items():
                offset = pending.pop(txn, None)
                if offset is not None and txn.outcome:
                    self._commit_offset(partition, offset)
        else:
            log = self.logs[place]
            del log.open[txn]
            self._appended += 1
            log.records.append(Record(log.end, None, None, (), txn, self._appended, marker=True))
        if not txn.places and txn.owner.txn is txn:
            txn.owner.txn = None

    def expire(self, now: float) -> None:
        """Abort transactions past `transaction.timeout.ms`; the raised epoch fences producers."""
        for identity in self.identities.values():
            txn = identity.txn
            if txn is not None and txn.outcome is None and now >= txn.began + identity.timeout_s:
                self.saw["transaction timed out"] += 1
                identity.epoch += 1
                self._decide(txn, commit=False)

    def next_expiry(self) -> float:
        """When the next transaction times out."""
        return min(
            (
                identity.txn.began + identity.timeout_s
                for identity in self.identities.values()
                if identity.txn is not None and identity.txn.outcome is None
            ),
            default=float("inf"),
        )

    # The group coordinator's offsets

    def commit_offsets(self, offsets: dict[int, tuple[int, str]], membership: Membership) -> None:
        """OffsetCommit by a member, outside of any transaction."""
        self.group.check(membership)
        for partition, offset in offsets.items():
            self._commit_offset(partition, offset)

    def add_offsets(
        self, txn: Txn, offsets: dict[int, tuple[int, str]], membership: Membership
    ) -> None:
        """AddOffsetsToTxn, then TxnOffsetCommit: checks the group's generation (KIP-447).

        Not who owns a partition: a member may commit another member's offset.
        """
        self.check_epoch(txn.owner, txn.epoch)
        self.group.check(membership)
        if OFFSETS not in txn.places:
            txn.places.append(OFFSETS)
        for partition, offset in offsets.items():
            self.pending[partition][txn] = offset

    def offset(self, partition: int, *, stable: bool) -> tuple[int, str] | None:
        """OffsetFetch; with *stable* (KIP-447) a pending offset makes it UNSTABLE_OFFSET_COMMIT."""
        if stable and self.pending[partition]:
            raise refusal(KafkaError.UNSTABLE_OFFSET_COMMIT, retriable=True)
        return self.offsets.get(partition)

    def _commit_offset(self, partition: int, offset: tuple[int, str]) -> None:
        self.offsets[partition] = offset
        self.offset_history[partition].append(Committed(*offset, self._scheduler.now))


class _Marker(Steps):
    """Writes one transaction's marker to one partition."""

    def __init__(self, broker: Broker, scheduler: Scheduler, txn: Txn, place: Place) -> None:
        def write() -> None:
            broker.mark(txn, place)
            scheduler.remove(self)

        verb = "commits" if txn.outcome else "aborts"
        # Later than a dead worker's partitions are somebody else's.
        self.stall_s = 10.0
        super().__init__(f"marker {verb} {place[0]}[{place[1]}]", None, lambda: True, write)


class _Timeouts(Steps):
    """The transaction coordinator's look at what has been open for too long."""

    def __init__(self, broker: Broker, scheduler: Scheduler) -> None:
        super().__init__(
            "transaction timeout",
            None,
            lambda: scheduler.now >= broker.next_expiry(),
            lambda: broker.expire(scheduler.now),
        )
        self._broker = broker

    def deadline(self) -> float:
        """As the oldest transaction."""
        return self._broker.next_expiry()
