"""Whether a consumer that reads nothing has nothing to read, or has gone deaf.

librdkafka may lose its brokers and look for none again, when one of them names no broker
(confluentinc/librdkafka#5301), and may stop to fetch a partition (#5153). It tells nobody, and
never recovers: only a consumer made anew does.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaException, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# A consumer that hears nothing is looked at as often.
LOOK_EVERY_S = 2.0
ASK_S = 1.0


class Hearing:
    """Looks at the consumer of *topic*; used by its thread alone.

    It is doubted when *patience* looks in a row gave reason to.
    """

    def __init__(
        self, topic: str, *, patience: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._topic = topic
        self._patience = patience
        self._clock = clock
        self._since = clock()
        self._missed: dict[int, int] = {}
        self._doubted = 0

    def note(self) -> None:
        """Note that something was read just now."""
        self._since = self._clock()
        self._doubted = 0

    def doubts(self, consumer: Consumer, positions: Mapping[int, int]) -> bool:
        """Whether *consumer*, which has read up to *positions*, may be deaf.

        It may when it cannot ask for a partition's end, and when it has twice stood before the
        same record that it could read. Blocks for a moment where it asks, which is now and then.
        """
        if self._clock() - self._since < LOOK_EVERY_S:
            return False
        self._since = self._clock()
        self._doubted = self._doubted + 1 if self._doubtful(consumer, positions) else 0
        return self._doubted >= self._patience

    def _doubtful(self, consumer: Consumer, positions: Mapping[int, int]) -> bool:
        before, self._missed = self._missed, {}
        for partition, position in positions.items():
            end = end_of(consumer, self._topic, partition)
            if end is None:
                return True
            if end > position:
                self._missed[partition] = position
        return bool(before.items() & self._missed.items())


def end_of(consumer: Consumer, topic: str, partition: int) -> int | None:
    """Return up to where *consumer* may read a partition; None when it cannot ask. Blocks."""
    place = TopicPartition(topic, partition)
    try:
        return int(consumer.get_watermark_offsets(place, ASK_S, cached=False)[1])
    except KafkaException:
        return None


def others_hear(config: Mapping[str, object], topic: str, partition: int) -> bool:
    """Whether a new consumer of *config* can ask for a partition's end. Blocks."""
    fresh = Consumer(dict(config))
    try:
        return end_of(fresh, topic, partition) is not None
    finally:
        close_apart(fresh)


def close_apart(consumer: Consumer) -> None:
    """Close a consumer that may be deaf, on a thread of its own: nobody waits for it."""
    threading.Thread(target=consumer.close, name="close-consumer", daemon=True).start()
