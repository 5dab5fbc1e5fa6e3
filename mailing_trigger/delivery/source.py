"""The topic of messages: one consumer of the deliverers' group, on a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from mailing_trigger.delivery.offsets import Offsets, done_of
from mailing_trigger.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from confluent_kafka import Message

    from mailing_trigger.delivery.settings import DeliverySettings

log = logging.getLogger("mailing_trigger.deliver")

T = TypeVar("T")
Positions = dict[int, tuple[int, str]]
"""Per partition the offset to commit and its metadata."""

_POLL_S = 0.1
_ASK_S = 20.0
_AT_ONCE = 200
# What is being handed over when a partition moves may be finished first.
RELEASE_S = 8.0


class Source:
    """Reads *topic* from where the group is.

    *release* ends what is underway in partitions that move, and says how far they are.
    *deaf* tells whether a consumer that has read up to positions hears nothing any more. *bounded*:
    only what is there when it begins. The methods are for the event loop; what blocks
    runs on the thread, and so do the consumer's own callbacks.
    """

    def __init__(
        self,
        settings: DeliverySettings,
        topic: str,
        release: Callable[[list[int]], Awaitable[Positions]],
        *,
        deaf: Callable[[Consumer, Mapping[int, int]], bool],
        bounded: bool = False,
    ) -> None:
        self._settings, self._topic, self._release = settings, topic, release
        self._deaf, self._bounded = deaf, bounded
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sends")
        self._loop = asyncio.get_running_loop()
        self._consumer = Consumer(consumer_properties(settings))
        self._rebalances = 0
        self._leaving = False
        self._paused: set[int] = set()
        self._ends: dict[int, int] = {}
        # Up to where each partition was read, transaction markers included.
        self._positions: dict[int, int] = {}
        self.offsets: dict[int, Offsets] = {}

    async def start(self) -> None:
        """Join the group."""
        await self._call(self._subscribe)

    async def take(self, full: set[int]) -> list[Message]:
        """Return what came, maybe nothing; the partitions *full* are not fetched meanwhile."""
        return await self._call(lambda: self._fetch(full))

    async def commit(self, positions: Positions) -> bool:
        """Commit, and return whether that was possible; it is not while partitions move."""
        return await self._call(lambda: self._commit(positions))

    async def close(self) -> None:
        """Leave the group."""
        self._leaving = True
        await self._call(self._consumer.close)
        self._thread.shutdown()

    def is_over(self) -> bool:
        """Whether everything is done that was there at the beginning."""
        return bool(self._bounded and self._rebalances) and all(
            offsets.position >= self._ends[partition] for partition, offsets in self.offsets.items()
        )

    async def _call(self, function: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._thread, function)

    # What follows runs on the thread.

    def _subscribe(self) -> None:
        try:
            known = self._consumer.list_topics(timeout=_ASK_S).topics
        except KafkaException as exc:
            raise CommandError(
                f"no broker answers at {self._settings.bootstrap_servers}: start one, or name "
                f"another with --bootstrap-servers ({exc.args[0].str()})"
            ) from exc
        for topic in (self._settings.sends, self._settings.undelivered):
            if topic not in known:
                raise CommandError(
                    f"topic {topic} does not exist: run `mailing-trigger topics create`"
                )
        self._consumer.subscribe(
            [self._topic],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )

    def _fetch(self, full: set[int]) -> list[Message]:
        self._pause(full)
        rebalances = self._rebalances
        first = self._consumer.poll(_POLL_S)
        self._look()
        if first is None:
            return []
        found = [first, *self._consumer.consume(_AT_ONCE - 1, 0)]
        if rebalances != self._rebalances:
            # Some of them may have been fetched for an assignment that has ended.
            for partition, offsets in self.offsets.items():
                with suppress(KafkaException):  # one that is not fetched yet begins rightly
                    place = TopicPartition(self._topic, partition, offsets.read_to)
                    self._consumer.seek(place)
            return []
        return [message for message in found if self._is_send(message)]

    def _look(self) -> None:
        """End where the consumer has gone deaf: another one would hear."""
        reading = {p: at for p, at in self._positions.items() if p not in self._paused}
        # Without partitions it has to hear of some, so any of the topic's does.
        if self._deaf(self._consumer, reading or {0: sys.maxsize}):
            raise CommandError(
                f"the consumer of {self._topic} hears nothing any more, and the brokers are there: "
                "start it again, and it goes on where it was"
            )

    def _is_send(self, message: Message) -> bool:
        error = message.error()
        partition, offset = message.partition() or 0, message.offset() or 0
        if error is None:
            self._positions[partition] = offset + 1
            end = self._ends.get(partition)
            return end is None or offset < end
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
            self._positions[partition] = offset
            return False
        if error.fatal() or error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
            raise KafkaException(error)
        log.warning("the sends could not be read for a moment: %s", error.str())
        return False

    def _pause(self, full: set[int]) -> None:
        ours = set(self.offsets)
        self._paused &= ours
        pause, resume = (full & ours) - self._paused, self._paused - full
        if pause:
            self._consumer.pause([TopicPartition(self._topic, p) for p in pause])
        if resume:
            self._consumer.resume([TopicPartition(self._topic, p) for p in resume])
        self._paused = (self._paused | pause) - resume

    def _commit(self, positions: Mapping[int, tuple[int, str]]) -> bool:
        places = [
            TopicPartition(self._topic, partition, offset, metadata)
            for partition, (offset, metadata) in positions.items()
        ]
        if not places:
            return True
        try:
            committed = self._consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as exc:
            log.warning("not committed yet: %s", exc.args[0].str())
            return False
        return all(place.error is None for place in committed or ())

    def _on_assign(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        self._rebalances += 1
        if self._leaving:
            # Closing serves a rebalance that waits, and where to begin is answered nobody any more.
            consumer.incremental_assign([])
            return
        starts = []
        for place in consumer.committed(assigned, timeout=_ASK_S) if assigned else ():
            if place.error is not None:
                raise KafkaException(place.error)
            low, high = consumer.get_watermark_offsets(place, timeout=_ASK_S)
            begin = self._begin(place, low, high)
            self.offsets[place.partition] = Offsets(begin, done_of(begin, place.metadata))
            self._positions[place.partition] = begin
            if self._bounded:
                self._ends[place.partition] = high
            starts.append(TopicPartition(self._topic, place.partition, begin))
        consumer.incremental_assign(starts)
        log.info("partitions %s taken", [place.partition for place in assigned])

    def _begin(self, place: TopicPartition, low: int, high: int) -> int:
        """Return where to begin: at the group's offset, else at what is oldest."""
        where = f"{self._topic}[{place.partition}]"
        if place.offset > high:
            raise CommandError(
                f"the group {self._settings.group} is at offset {place.offset} of {where}, which "
                f"ends at {high}: the topic was made anew. Set the group's offset to what is still "
                "to be delivered, with kafka-consumer-groups --reset-offsets"
            )
        if 0 <= place.offset < low:
            log.error(
                "%s: up to %d messages were deleted before they were delivered: its retention is "
                "shorter than this group was away",
                where,
                low - place.offset,
            )
        return max(place.offset, low)

    def _on_revoke(self, consumer: Consumer, revoked: list[TopicPartition]) -> None:
        self._commit(self._give_up(revoked))
        consumer.incremental_unassign(revoked)

    def _on_lost(self, consumer: Consumer, lost: list[TopicPartition]) -> None:
        log.warning("partitions %s lost: the group went on without us", [p.partition for p in lost])
        self._give_up(lost)
        consumer.incremental_unassign(lost)

    def _give_up(self, places: list[TopicPartition]) -> Positions:
        self._rebalances += 1
        partitions = [place.partition for place in places]
        ended = asyncio.run_coroutine_threadsafe(self._released(partitions), self._loop)
        return ended.result(2 * RELEASE_S)

    async def _released(self, partitions: list[int]) -> Positions:
        positions = await self._release(partitions)
        for partition in partitions:
            self.offsets.pop(partition, None)
            self._positions.pop(partition, None)
        return positions


def consumer_properties(settings: DeliverySettings) -> dict[str, Any]:
    """Return librdkafka's settings of a deliverer's consumer."""
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "group.id": settings.group,
        "client.id": settings.group,
        "partition.assignment.strategy": "cooperative-sticky",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        # Where to begin is always said; an offset that is gone must not be jumped over in silence.
        "auto.offset.reset": "error",
        "session.timeout.ms": int(settings.session_timeout_s * 1000),
        "heartbeat.interval.ms": int(settings.session_timeout_s * 1000 / 3),
        "reconnect.backoff.max.ms": 1000,
        "fetch.queue.backoff.ms": 5,
        "queued.max.messages.kbytes": 16_384,
        "logger": log,
        **settings.security,
    }
