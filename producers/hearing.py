"""Whether a consumer that reads nothing has nothing to read, or has gone deaf.

librdkafka may lose its brokers and look for none again, when one of them names no broker
(confluentinc/librdkafka#5301), and may stop to fetch a partition (#5153). It tells nobody, and
never recovers: only a consumer made anew does.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

LOOK_EVERY_S = 2.0
# A question that runs out of its time costs the connection, and what is on its way there.
ASK_S = 5.0
# A consumer that stands before the same record at so many looks in a row does not fetch it.
STANDS = 5


class Hearing:
    """Looks at the consumer of *topic* now and then; used by its thread alone.

    It is deaf when *patience* looks in a row said so, and each time a new consumer of *config*
    heard: brokers that do not answer that one either make nobody guilty.
    """

    def __init__(
        self,
        topic: str,
        config: Mapping[str, Any],
        *,
        patience: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._topic = topic
        self._config = config
        self._patience = patience
        self._clock = clock
        self._looked_at = clock()
        # Where partitions stand before records they might fetch, and for how many looks.
        self._standing: dict[int, tuple[int, int]] = {}
        self._found = 0

    def deaf(self, consumer: Consumer, positions: Mapping[int, int]) -> bool:
        """Whether *consumer*, which has read up to *positions*, hears nothing any more.

        Blocks for a moment where it looks, and for some seconds where that was in vain.
        """
        if self._clock() - self._looked_at < LOOK_EVERY_S:
            return False
        doubtful = self._doubtful(consumer, positions) and self._others_hear(positions)
        self._found = self._found + 1 if doubtful else 0
        self._looked_at = self._clock()
        return self._found >= self._patience

    def _doubtful(self, consumer: Consumer, positions: Mapping[int, int]) -> bool:
        before, self._standing = self._standing, {}
        ends = ends_of(consumer, self._topic, positions)
        if ends is None:
            return True
        for partition, end in ends.items():
            position = positions[partition]
            if end > position:
                at, looks = before.get(partition, (position, 0))
                self._standing[partition] = position, looks + 1 if at == position else 1
        return any(looks >= STANDS for _, looks in self._standing.values())

    def _others_hear(self, partitions: Iterable[int]) -> bool:
        try:
            fresh = Consumer({**self._config, "log_level": 0})
        except KafkaException:
            # Out of files or threads, say: that tells nothing of the one there is.
            return False
        try:
            return ends_of(fresh, self._topic, partitions) is not None
        finally:
            close_apart(fresh)


def ends_of(consumer: Consumer, topic: str, partitions: Iterable[int]) -> dict[int, int] | None:
    """Return up to where *consumer* may read; None when it cannot ask for all. Blocks."""
    places = [TopicPartition(topic, partition, OFFSET_END) for partition in partitions]
    try:
        # One request a broker: watermarks are asked for one by one, each behind a fetch that waits.
        found = consumer.offsets_for_times(places, timeout=ASK_S)
    except KafkaException:
        return None
    if any(place.error is not None for place in found):
        return None
    return {place.partition: int(place.offset) for place in found}


def close_apart(consumer: Consumer) -> None:
    """Close a consumer that may be deaf, on a thread of its own: nobody waits for it."""
    threading.Thread(target=consumer.close, name="close-consumer", daemon=True).start()
