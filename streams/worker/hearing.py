"""Whether the log is still heard: what a consumer that hangs looks like from outside.

librdkafka may lose its brokers and look for none again, when one of them names no broker
(confluentinc/librdkafka#5301), and may stop to fetch a partition (#5153). It tells nobody, and the
consumer never recovers.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException

from streams.worker.kafka import ends_of, offsets_consumer

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.worker.settings import WorkerSettings
    from streams.worker.source import Source

# A partition that moves to another broker is asked for in vain for a moment.
LOST_ASKS = 3
# Long enough to pass by what somebody aborted: it is read and left out without a word.
DEAF_S = 300.0


class Hearing:
    """Compares what the source hears with what another consumer is told, at each `look`.

    The end of a partition is its last stable offset: events behind somebody's open transaction are
    not ours to wait for. Brokers that do not answer the other consumer either make nobody guilty.
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
        self._other = offsets_consumer(settings, stable=True)
        # What the source had asked in vain when the brokers were away.
        self._excused = 0
        # Where partitions stand before events they might fetch, and since when.
        self._standing: dict[int, tuple[int, float]] = {}

    @property
    def events_wait(self) -> bool:
        """Whether a partition of ours had events, at the last look, that were not fetched."""
        return bool(self._standing)

    def look(self) -> str:
        """Return why the source hears nothing any more; nothing when it does. Blocks."""
        source = self._source
        positions = dict(source.positions)
        try:
            ends = ends_of(self._other, self._settings.log, positions or (0,))
        except KafkaException:
            self._renew()
            self._excused, self._standing = source.in_vain, {}
            return ""
        self._excused = min(self._excused, source.in_vain)
        if source.in_vain - self._excused >= LOST_ASKS:
            return "the consumer of the log has lost every broker, and the brokers are there"
        return self._judge(positions, ends)

    def _judge(self, positions: dict[int, int], ends: dict[int, int]) -> str:
        before, now = self._standing, self._clock()
        self._standing = {}
        if self._source.full:
            return ""
        for partition, position in positions.items():
            if ends[partition] > position:
                at, since = before.get(partition, (-1, now))
                self._standing[partition] = position, since if at == position else now
        deaf = [p for p, (_, since) in self._standing.items() if now - since >= DEAF_S]
        if not deaf:
            return ""
        return f"partitions {deaf} have events that have not been fetched for {DEAF_S:.0f} s"

    def _renew(self) -> None:
        """Ask with a new consumer from now on; the old one may have lost its brokers, too."""
        with suppress(KafkaException):
            fresh = offsets_consumer(self._settings, stable=True)
            old, self._other = self._other, fresh
            # Nobody waits for its end.
            threading.Thread(target=old.close, name="close-consumer", daemon=True).start()
