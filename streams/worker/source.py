"""The log, as chunks: one consumer on a thread of its own.

The thread alone talks to the consumer. What it finds lies in a bounded queue of `Take`s, in
order; the engine on the event loop picks them up. Each assignment, revocation, loss and rewind
gives a partition a new *incarnation*, so that a chunk fetched before it is recognised and dropped.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Protocol

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from streams.worker.admin import AdminError
from streams.worker.errors import TakeoverAbandoned, WorkerError
from streams.worker.kafka import ends_of, source_consumer
from streams.worker.retry import pauses
from streams.worker.stamp import Stamp
from streams.worker.takeover import Takeover

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from confluent_kafka import Consumer

    from streams.core.partition import PartitionState
    from streams.core.transition import LogRecord
    from streams.worker.settings import WorkerSettings

log = logging.getLogger("mailing_trigger.worker.source")

# A thread that hands the interpreter over gets it back after a switch interval, so a backlog is
# fetched in large strides. What is folded at once is bounded apart: some 10 ms of work.
FETCH_RECORDS = 8_000
# Taken from the client at once: messages are still in the processor's cache when they are taken
# apart, and the next ones lie in the memory of these.
_STRIDE_RECORDS = 1_000
CHUNK_RECORDS = 1_000
# Fetches that wait for the engine; the client's own queue (64 MiB) is behind them.
_QUEUE_FETCHES = 8
_QUEUE_BYTES = 64 * 1024 * 1024
_POLL_S = 0.1
# From one fetch to the next: calls that come within it share an acknowledgement and all requests on
# its way. One that comes alone does not wait.
_FETCH_EVERY_S = 0.004
_TAKEOVER_LIMIT_S = 300.0
# A consumer that has heard nothing for so long asks whether it hears at all.
LISTEN_S = 5.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records of one partition taken together."""

    partition: int
    incarnation: int
    records: list[LogRecord]
    size: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """Chunks fetched together, and the group membership under which they were."""

    chunks: list[Chunk]
    group_metadata: object
    size: int


@dataclass(frozen=True, slots=True)
class Adoption:
    """A partition is ours and its state is ready: its chunks follow."""

    state: PartitionState
    incarnation: int
    group_metadata: object


@dataclass(frozen=True, slots=True)
class Membership:
    """The group membership as it is now."""

    group_metadata: object


Take = Fetch | Adoption | Membership


class Listener(Protocol):
    """What the source tells the engine, from the source's thread."""

    def wake(self) -> None:
        """There is something to take."""

    def release(self, partitions: list[int]) -> None:
        """Give partitions up; return when nothing of them is being shipped any more."""

    def fail(self, error: Exception) -> None:
        """The source cannot go on."""


class Source:
    """The consumer's thread."""

    def __init__(self, settings: WorkerSettings, listener: Listener, transactional_id: str) -> None:
        self._settings = settings
        self._transactional_id = transactional_id
        self._listener = listener
        self._takeover = Takeover(settings, transactional_id)
        self._restorers = ThreadPoolExecutor(2, thread_name_prefix="restore")
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)
        self._lock = threading.Condition()
        # Guarded by the lock.
        self._takes: deque[Take] = deque()
        self._queued_bytes = 0
        self._incarnations: dict[int, int] = {}
        self._orders: deque[Callable[[Consumer], None]] = deque()
        self._stopping = False
        # Used by the consumer's thread alone.
        self._fetched_at = 0.0
        self._rebalances = 0
        self._delivering: dict[int, int] = {}
        self._fetched: set[int] = set()
        self.member_id = ""
        # Up to where the log was read, transaction markers included; the watchdog looks at it.
        self.positions: dict[int, int] = {}
        self._heard_at = time.monotonic()
        # How often in a row the consumer has asked in vain, hearing nothing; for the watchdog, too.
        self.in_vain = 0

    def start(self) -> None:
        """Join the group and begin to fetch."""
        self._thread.start()

    def stop(self) -> None:
        """Leave the group in an orderly way; returns when the partitions are given up."""
        with self._lock:
            self._stopping = True
            self._lock.notify_all()
        self._thread.join()
        self._restorers.shutdown(cancel_futures=True)

    def take(self) -> Take | None:
        """Return what came next, or None when nothing waits."""
        with self._lock:
            if not self._takes:
                return None
            taken = self._takes.popleft()
            if isinstance(taken, Fetch):
                self._queued_bytes -= taken.size
            self._lock.notify_all()
            return taken

    def waiting(self) -> bool:
        """Whether there is something to take."""
        return bool(self._takes)

    def is_current(self, partition: int, incarnation: int) -> bool:
        """Whether *incarnation* is the partition's own, now."""
        return self._incarnations.get(partition) == incarnation

    @property
    def full(self) -> bool:
        """Whether nothing is fetched before the engine has taken something."""
        return len(self._takes) >= _QUEUE_FETCHES or self._queued_bytes > _QUEUE_BYTES

    def rewind(self, partition: int, incarnation: int, offset: int) -> int | None:
        """Fetch the partition again from *offset*; return its new incarnation.

        None when *incarnation* is not its own any more: somebody else decides about it then.
        """
        return self._order(partition, incarnation, lambda c, i: self._seek(c, partition, offset, i))

    def rebuild(self, partition: int, incarnation: int) -> None:
        """Take the partition over anew, from its changelog."""
        self._order(partition, incarnation, lambda c, i: self._begin_takeover(c, partition, i))

    def ask_membership(self) -> None:
        """Ask for the group membership as it is now: a `Membership` follows."""
        with self._lock:
            self._orders.append(lambda c: self._put(Membership(c.consumer_group_metadata())))

    def _order(
        self, partition: int, incarnation: int, order: Callable[[Consumer, int], None]
    ) -> int | None:
        with self._lock:
            if self._incarnations.get(partition) != incarnation:
                return None
            following = self._incarnations[partition] = incarnation + 1
            self._orders.append(lambda c: order(c, following))
            return following

    # What follows runs on the consumer's thread.

    def _run(self) -> None:
        try:
            consumer = source_consumer(self._settings)
            consumer.subscribe(
                [self._settings.log],
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_lost,
            )
            try:
                while self._wait_for_room():
                    self._obey(consumer)
                    self._fetch(consumer)
            finally:
                consumer.close()
        except Exception as exc:  # noqa: BLE001 - the border of the thread
            self._listener.fail(exc)

    def _wait_for_room(self) -> bool:
        with self._lock:
            while not self._stopping and self.full:
                if self._orders:
                    break
                self._lock.wait(_POLL_S)
            return not self._stopping

    def _obey(self, consumer: Consumer) -> None:
        # An order that has to wait is put back, and waits for the next poll.
        for _ in range(len(self._orders)):
            with self._lock:
                order = self._orders.popleft()
            order(consumer)

    def _fetch(self, consumer: Consumer) -> None:
        # Taken before the poll: a rebalance inside it must not lend its new membership to
        # records of the old one.
        rebalances, metadata = self._rebalances, consumer.consumer_group_metadata()
        first = consumer.poll(_POLL_S)
        if first is None:
            self._listen(consumer)
            return
        self._heard_at, self.in_vain = time.monotonic(), 0
        time.sleep(max(self._fetched_at + _FETCH_EVERY_S - time.monotonic(), 0))
        self._fetched_at = time.monotonic()
        by_partition: dict[int, list[LogRecord]] = {}
        messages = [first]
        room = FETCH_RECORDS
        while messages:
            self._sort(messages, by_partition)
            room -= len(messages)
            messages = consumer.consume(_STRIDE_RECORDS, 0) if room > 0 else []
        if not by_partition:
            return
        if rebalances != self._rebalances:
            for partition, records in by_partition.items():
                if partition in self._delivering:
                    consumer.seek(TopicPartition(self._settings.log, partition, records[0][0]))
            return
        chunks = [
            Chunk(partition, incarnation, part, sum([len(record[2] or b"") for record in part]))
            for partition, records in by_partition.items()
            if (incarnation := self._delivering.get(partition)) is not None
            for part in _parts(records)
        ]
        size = sum(chunk.size for chunk in chunks)
        self._put(Fetch(chunks, metadata, size), size)

    def _listen(self, consumer: Consumer) -> None:
        """Ask for something when nothing is heard; a consumer is not for two threads."""
        if time.monotonic() - self._heard_at < LISTEN_S:
            return
        # Without partitions it has to hear of some, so any of the log's does.
        partition = next(iter(self.positions), 0)
        try:
            ends_of(consumer, self._settings.log, [partition])
        except KafkaException:
            self.in_vain += 1
        else:
            self.in_vain = 0
        self._heard_at = time.monotonic()

    def _sort(self, messages: list[Message], found: dict[int, list[LogRecord]]) -> None:
        """Add the records of *messages* to those of their partitions."""
        # The client hands records over in runs of one partition.
        for partition, run in groupby(messages, Message.partition):
            batch = list(run)
            if any(map(Message.error, batch)):
                batch = self._without_events(partition or 0, batch)
            if batch:
                records = found.setdefault(partition or 0, [])
                records.extend(_records(batch))
                end = records[-1][0] + 1
                self.positions[partition or 0] = max(end, self.positions.get(partition or 0, 0))

    def _without_events(self, partition: int, messages: list[Message]) -> list[Message]:
        """Hear what messages without a record say; return the others."""
        for message in messages:
            if _is_end(message):
                self.positions[partition] = message.offset() or 0
            elif (error := message.error()) is not None:
                if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - its public name
                    # Events were deleted, or the log was recreated: a takeover finds out which.
                    log.warning("partition %d: its next offset is gone: %s", partition, error.str())
                    self.rebuild(partition, self._incarnations[partition])
                else:
                    _check(error)
        return [message for message in messages if message.error() is None]

    def _put(self, take: Take, size: int = 0) -> None:
        with self._lock:
            self._takes.append(take)
            self._queued_bytes += size
        self._listener.wake()

    def _on_assign(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        self._rebalances += 1
        self.member_id = consumer.memberid() or ""
        # Fetched only when the state is there and says from where. Fetched before and sought later
        # (librdkafka 2.16), a partition at OFFSET_END now and then skips events, for the look-up
        # outruns the seek, and one at 0 fails where retention has deleted the first events.
        consumer.incremental_assign([])
        for place in assigned:
            with self._lock:
                incarnation = self._incarnations.get(place.partition, 0) + 1
                self._incarnations[place.partition] = incarnation
            self._begin_takeover(consumer, place.partition, incarnation)

    def _on_revoke(self, consumer: Consumer, revoked: list[TopicPartition]) -> None:
        self._give_up(revoked, "given up")
        self._unassign(consumer, revoked)

    def _on_lost(self, consumer: Consumer, lost: list[TopicPartition]) -> None:
        self._give_up(lost, "lost")
        self._unassign(consumer, lost)

    def _unassign(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        consumer.incremental_unassign([p for p in places if p.partition in self._fetched])
        self._fetched.difference_update(place.partition for place in places)

    def _give_up(self, places: list[TopicPartition], how: str) -> None:
        self._rebalances += 1
        partitions = [place.partition for place in places]
        with self._lock:
            for partition in partitions:
                self._incarnations[partition] += 1
                self._delivering.pop(partition, None)
                self.positions.pop(partition, None)
        if partitions:
            log.info("partitions %s %s", partitions, how)
            self._listener.release(partitions)
        for partition in partitions:
            self._takeover.close(partition)

    def _begin_takeover(self, consumer: Consumer, partition: int, incarnation: int) -> None:
        if not self.is_current(partition, incarnation):
            return
        self._delivering.pop(partition, None)
        self.positions.pop(partition, None)
        if partition in self._fetched:
            self._unassign(consumer, [TopicPartition(self._settings.log, partition)])
        self._restorers.submit(self._take_over, partition, incarnation)

    def _seek(self, consumer: Consumer, partition: int, offset: int, incarnation: int) -> None:
        if not self.is_current(partition, incarnation):
            return
        try:
            consumer.seek(TopicPartition(self._settings.log, partition, offset))
        except KafkaException as exc:
            if exc.args[0].code() != KafkaError._STATE:  # noqa: SLF001 - its public name
                raise
            # The client has not begun to fetch the partition; it does so while we poll.
            with self._lock:
                self._orders.append(lambda c: self._seek(c, partition, offset, incarnation))
            return
        self._delivering[partition] = incarnation
        self.positions[partition] = offset
        self._put(Membership(consumer.consumer_group_metadata()))

    def _begin_delivery(
        self, consumer: Consumer, state: PartitionState, incarnation: int, tries: Iterator[float]
    ) -> None:
        partition = state.partition
        if not self.is_current(partition, incarnation):
            return
        try:
            # Signed with our name before anything else, so that a successor fences us and not
            # the owner before us.
            consumer.commit(offsets=[self.stamped(state)], asynchronous=False)
        except KafkaException as exc:
            # A rebalance under way refuses commits; it ends while we poll.
            if next(tries, None) is None:
                raise
            log.info("partition %d: offset not signed yet: %s", partition, exc.args[0].str())
            self._order_delivery(state, incarnation, tries)
            return
        self._put(Adoption(state, incarnation, consumer.consumer_group_metadata()))
        place = TopicPartition(self._settings.log, partition, state.applied + 1)
        consumer.incremental_assign([place])
        self._fetched.add(partition)
        self._delivering[partition] = incarnation
        self.positions[partition] = state.applied + 1

    def stamped(self, state: PartitionState) -> TopicPartition:
        """Return the offset that goes with *state*, with our note."""
        stamp = Stamp(state.seq, self._transactional_id, self.member_id)
        return TopicPartition(
            self._settings.log, state.partition, state.applied + 1, stamp.encode()
        )

    # What follows runs on a restorer's thread.

    def _take_over(self, partition: int, incarnation: int) -> None:
        try:
            self._try_to_take_over(partition, incarnation)
        except Exception as exc:  # noqa: BLE001 - the border of the thread: nobody reads its future
            self._listener.fail(exc)

    def _try_to_take_over(self, partition: int, incarnation: int) -> None:
        def still_ours() -> bool:
            return not self._stopping and self.is_current(partition, incarnation)

        tries, anew = pauses(_TAKEOVER_LIMIT_S), False
        while still_ours():
            try:
                if anew:
                    self._takeover.reconnect()
                    anew = False
                state = self._takeover.run(partition, still_ours)
            except TakeoverAbandoned:
                # If it is ours yet, an earlier takeover of it closed the database of this one.
                time.sleep(next(tries, _POLL_S))
            except (KafkaException, AdminError, TimeoutError) as exc:
                # A broker that restarts; futures of the administration client have a timeout.
                # Or no client could be made: that is another try, too.
                anew = True
                pause = next(tries, None)
                why = str(exc) or "no answer"
                if pause is None:
                    raise WorkerError(
                        f"partition {partition} could not be taken over in "
                        f"{_TAKEOVER_LIMIT_S:.0f} s: {why}; look at the brokers, and start the "
                        "worker again: `mailing-trigger doctor` says what is wrong"
                    ) from exc
                log.warning("partition %d: not taken over yet: %s", partition, why)
                time.sleep(pause)
            else:
                self._order_delivery(state, incarnation, pauses(_TAKEOVER_LIMIT_S))
                return

    def _order_delivery(
        self, state: PartitionState, incarnation: int, tries: Iterator[float]
    ) -> None:
        with self._lock:
            self._orders.append(lambda c: self._begin_delivery(c, state, incarnation, tries))


def _records(messages: list[Message]) -> Iterator[LogRecord]:
    # No line of Python runs for a record: half the time of a loop.
    times = map(itemgetter(1), map(Message.timestamp, messages))
    columns = (map(field, messages) for field in (Message.offset, Message.key, Message.value))
    return zip(*columns, times, strict=True)


def _parts(records: list[LogRecord]) -> list[list[LogRecord]]:
    return [records[at : at + CHUNK_RECORDS] for at in range(0, len(records), CHUNK_RECORDS)]


def _is_end(message: Message) -> bool:
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001


def _check(error: KafkaError) -> None:
    """Raise what a message without a record says, unless it passes by itself."""
    if error.fatal():
        raise KafkaException(error)
    log.warning("the log could not be read for a moment: %s", error.str())
