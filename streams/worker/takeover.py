"""Taking a partition over from whoever had it: fence the dead, read the offset, rebuild the state.

The order is the point. A dead owner's open transaction would hide its records, ours and its
offset from every careful reader until the broker times it out, so it is ended first; then the
offset is final; then the changelog is read until the state is the one that offset belongs to.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import (
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from streams.core.partition import PartitionState
from streams.core.restore import Restore
from streams.store.errors import StoreClosed, StoreUnfit
from streams.worker.admin import topic_shapes
from streams.worker.errors import TakeoverAbandoned, TakeoverRefused
from streams.worker.kafka import (
    admin_client,
    fencing_producer,
    offsets_consumer,
    state_consumer,
)
from streams.worker.restoring import check_kept, read_changelog
from streams.worker.shape import check_shape
from streams.worker.stamp import Stamp
from streams.worker.tables import Tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.worker.settings import WorkerSettings

log = logging.getLogger("mailing_trigger.worker.takeover")

# An answer takes milliseconds; a client that was told of a coordinator which has just died waits
# for that one, and only the next try, a new client's, finds the other.
_ASK_S = 5.0
_RETRY_S = 0.1
# A transaction of a living predecessor ends by itself; a dead one's was fenced before.
_STABLE_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Committed:
    """A group's offset for a partition; -1 when there is none."""

    offset: int
    stamp: Stamp | None


class Takeover:
    """Takes partitions over, one call each; calls may run side by side."""

    def __init__(self, settings: WorkerSettings, transactional_id: str) -> None:
        """*transactional_id* is this process's own."""
        self._settings = settings
        self._transactional_id = transactional_id
        self._tables = Tables(settings)
        self.reconnect()

    def close(self, partition: int) -> None:
        """Let go of the partition's table, which is not used any more."""
        self._tables.close(partition)

    def reconnect(self) -> None:
        """Ask with a new client: one that lived through a broker's restart may never answer."""
        self._admin = admin_client(self._settings)
        self._offsets = offsets_consumer(self._settings, stable=False)
        self._stable_offsets = offsets_consumer(self._settings, stable=True)

    def run(self, partition: int, still_ours: Callable[[], bool]) -> PartitionState:
        """Return the partition's state; delivery goes on at ``applied + 1``.

        Raises TakeoverAbandoned when *still_ours* turns false, TakeoverRefused when log and
        state do not belong together.
        """
        started = time.monotonic()
        self._fence_dead_owner(partition, self._committed(partition, stable=False))
        committed = self._stable_offset(partition, still_ours)
        try:
            state = self._restore(partition, committed, still_ours)
        except StoreClosed:
            raise TakeoverAbandoned from None
        self._check_log(state, committed)
        self._check_offset(state, committed)
        log.info(
            "partition %d taken over: seq %d, next offset %d, %.2f s",
            partition,
            state.seq,
            state.applied + 1,
            time.monotonic() - started,
        )
        return state

    def _fence_dead_owner(self, partition: int, committed: Committed) -> None:
        owner = committed.stamp
        # A process that lost its membership and is a new member now has nothing open of its own: it
        # gave the partition up when that was shipped, and fencing itself would end its producer.
        if owner is None or owner.transactional_id == self._transactional_id:
            return
        group = self._admin.describe_consumer_groups([self._settings.group_id])
        members = group[self._settings.group_id].result(_ASK_S).members
        if owner.member_id in {member.member_id for member in members}:
            return
        log.info("partition %d: fencing its last owner, who left the group", partition)
        fencing_producer(self._settings, owner.transactional_id).init_transactions(_ASK_S)

    def _stable_offset(self, partition: int, still_ours: Callable[[], bool]) -> Committed:
        deadline = time.monotonic() + _STABLE_WITHIN_S
        last = False
        while True:
            try:
                return self._committed(partition, stable=True)
            except KafkaException as exc:
                # The client asks again itself while a transaction is open.
                if exc.args[0].code() != KafkaError._TIMED_OUT:  # noqa: SLF001 - its public name
                    raise
                if last:
                    raise TakeoverRefused(
                        f"partition {partition}: another worker's transaction has been open for "
                        f"{_STABLE_WITHIN_S:.0f} s: end that worker"
                    ) from exc
            if not still_ours():
                raise TakeoverAbandoned
            if time.monotonic() > deadline:
                # A coordinator that is out of reach gives no other error: then this raises it.
                self.reconnect()
                self._committed(partition, stable=False)
                last = True

    def _committed(self, partition: int, *, stable: bool) -> Committed:
        asked = self._stable_offsets if stable else self._offsets
        place = TopicPartition(self._settings.log, partition)
        (found,) = asked.committed([place], _ASK_S)
        if found.error is not None:
            raise KafkaException(found.error)
        return Committed(max(found.offset, -1), Stamp.decode(found.metadata))

    def _restore(
        self, partition: int, committed: Committed, still_ours: Callable[[], bool]
    ) -> PartitionState:
        try:
            return self._read(partition, committed, still_ours)
        except StoreUnfit as exc:
            cause = str(exc)
        # Not in the handler: the traceback would keep the database's iterators, and so its lock.
        log.warning(
            "partition %d: its database is deleted and made anew from the changelog: %s",
            partition,
            cause,
        )
        self._tables.discard(partition, still_ours)
        return self._read(partition, committed, still_ours)

    def _read(
        self, partition: int, committed: Committed, still_ours: Callable[[], bool]
    ) -> PartitionState:
        settings = self._settings
        shapes = topic_shapes(self._admin, [settings.log, settings.state], within_s=_ASK_S)
        log_shape, state_shape = shapes[settings.log], shapes[settings.state]
        if log_shape.partitions != state_shape.partitions:
            raise TakeoverRefused(
                f"topic {settings.log} has {log_shape.partitions} partitions, its changelog "
                f"{settings.state} has {state_shape.partitions}: a partition count cannot be "
                "changed, for addresses would have other homes; use a new topic prefix"
            )
        place = TopicPartition(settings.state, partition)
        wanted = committed.stamp.seq if committed.stamp else 0
        changelog_id = f"{state_shape.topic_id} {partition}"
        table = self._tables.open(partition, changelog_id, still_ours)
        restore = Restore(
            PartitionState(partition, log_shape.partitions, table, topic_id=log_shape.topic_id)
        )
        check_kept(self._admin, place, restore, log_shape, wanted)
        consumer = state_consumer(settings)
        try:
            count = read_changelog(consumer, place, restore, wanted, still_ours)
        finally:
            consumer.close()
        log.info("partition %d: %d records of the changelog read", partition, count)
        return restore.state

    def _check_log(self, state: PartitionState, committed: Committed) -> None:
        """Refuse a log that is not the one the state was made of, or lacks what comes next.

        Events that are gone are passed over when an operator says so, by setting the group's
        offset to where the log starts now.
        """
        name = self._settings.log
        shape = topic_shapes(self._admin, [name], within_s=_ASK_S)[name]
        check_shape(name, shape, state)
        end = self._offset(state.partition, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        if end <= state.applied:
            raise TakeoverRefused(
                f"{name}[{state.partition}] ends at {end}, but offset {state.applied} was applied: "
                "the log lost its tail and would give IDs out twice; use a new topic prefix"
            )
        start = self._offset(state.partition, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        following = state.applied + 1
        if start > following and committed.offset == start:
            log.warning(
                "partition %d: the events %d to %d are gone, and passed over as the group's offset "
                "says",
                state.partition,
                following,
                start - 1,
            )
            state.applied = start - 1
        elif start > following:
            raise TakeoverRefused(
                f"{name}[{state.partition}] starts at {start}, but offset {following} is next: "
                f"events were deleted before they were read; raise retention.ms, and to go on "
                f"without them set the offset of group {self._settings.group_id} to {start}"
            )

    def _offset(self, partition: int, spec: OffsetSpec) -> int:
        place = TopicPartition(self._settings.log, partition)
        answer = self._admin.list_offsets(
            {place: spec}, isolation_level=IsolationLevel.READ_UNCOMMITTED
        )
        return int(answer[place].result(_ASK_S).offset)

    def _check_offset(self, state: PartitionState, committed: Committed) -> None:
        following = state.applied + 1
        if committed.offset > following:
            raise TakeoverRefused(
                f"partition {state.partition}: the group's offset is {committed.offset}, but the "
                f"state ends at {state.applied}: somebody moved the offset forward and the events "
                f"between would be lost; reset the group to {following}"
            )
        if committed.offset not in (-1, following) or (committed.offset == -1 and state.seq):
            log.warning(
                "partition %d: the group's offset is %d, the state says %d; the state is right",
                state.partition,
                committed.offset,
                following,
            )
