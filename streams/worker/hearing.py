"""Whether the log is still heard: what a consumer that hangs looks like from outside.

librdkafka may lose its brokers and look for none again, when one of them names no broker
(confluentinc/librdkafka#5301), and may stop to fetch a partition (#5153). It tells nobody, and the
consumer never recovers.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException, TopicPartition

from streams.worker.kafka import offsets_consumer

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.worker.settings import WorkerSettings
    from streams.worker.source import Source

ASK_S = 2.0
# A partition that moves to another broker is asked for in vain for a moment.
LOST_LOOKS = 3
# As long as a worker may make no progress at all.
DEAF_S = 60.0


class Hearing:
    """Compares how far the log may be read with how far the source is, at each `look`.

    The end of a partition is its last stable offset: events behind somebody's open transaction are
    not ours to wait for. A broker that answers no new consumer either makes nobody guilty.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        source: Source,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._source = source
        self._clock = clock
        self._in_vain = 0
        # Where partitions stand before events they might fetch, and since when.
        self._standing: dict[int, tuple[int, float]] = {}

    @property
    def events_wait(self) -> bool:
        """Whether a partition of ours had events, at the last look, that were not fetched."""
        return bool(self._standing)

    def look(self) -> str:
        """Return why the source hears nothing any more; nothing when it does. Blocks."""
        positions = dict(self._source.positions)
        # Without partitions it has to hear of some, so any of the log's does.
        asked = list(positions) or [0]
        try:
            ends = self._source.ends(asked, ASK_S)
        except KafkaException:
            self._standing = {}
            self._in_vain = self._in_vain + 1 if self._answers_others(asked[0]) else 0
            if self._in_vain < LOST_LOOKS:
                return ""
            return "the consumer of the log has lost every broker, and the brokers are there"
        self._in_vain = 0
        return self._judge(positions, ends)

    def _judge(self, positions: dict[int, int], ends: dict[int, int]) -> str:
        before, now = self._standing, self._clock()
        self._standing = {}
        if self._source.full:
            return ""
        for partition, position in positions.items():
            if ends.get(partition, 0) > position:
                at, since = before.get(partition, (-1, now))
                self._standing[partition] = position, since if at == position else now
        deaf = [p for p, (_, since) in self._standing.items() if now - since >= DEAF_S]
        if not deaf:
            return ""
        return f"partitions {deaf} have events that have not been fetched for {DEAF_S:.0f} s"

    def _answers_others(self, partition: int) -> bool:
        place = TopicPartition(self._settings.log, partition)
        fresh = offsets_consumer(self._settings, stable=True)
        try:
            fresh.get_watermark_offsets(place, ASK_S, cached=False)
        except KafkaException:
            return False
        finally:
            fresh.close()
        return True
