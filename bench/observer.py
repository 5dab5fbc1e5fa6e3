"""The progress of a contestant, seen from outside: the offsets its group has committed.

Committed offsets are the one measure that is the same for all: what a commit says is done, with
its state and its replies, whatever these look like. The count starts at a first commit past the
warm-up, and at the look that sees it, so that a contestant who commits once a second is not given
what it has in hand.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaException, TopicPartition

from bench.processes import cpu_s, family, resident_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.log import Log

_LOOK_EVERY_S = 0.02
_ASK_S = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """*events* were committed in *seconds*, with so much CPU of the contestant and the broker.

    *resident_bytes* is the contestant's memory in the end, *committed* all its events until then.
    """

    events: int
    seconds: float
    cpu_s: float
    broker_cpu_s: float
    resident_bytes: int
    committed: int

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of the contestant's CPU an event."""
        return self.cpu_s / self.events * 1e6

    @property
    def broker_cpu_us(self) -> float:
        """Microseconds of the broker's CPU an event."""
        return self.broker_cpu_s / self.events * 1e6

    @property
    def busy(self) -> float:
        """How many cores the contestant had."""
        return self.cpu_s / self.seconds


class Observer:
    """Watches one group on one log."""

    def __init__(self, log: Log, group: str, broker_pid: int) -> None:
        # Not by an AdminClient: librdkafka 2.16 crashes when one asks for offsets and the group's
        # coordinator is elsewhere or not there yet (rd_kafka_handle_OffsetFetch takes it for a
        # consumer's). This consumer joins nothing.
        self._consumer = Consumer(
            {
                "bootstrap.servers": log.bootstrap_servers,
                "group.id": group,
                "enable.auto.commit": False,
                # Stable offsets alone: with an open transaction it asks again until that has ended.
                "isolation.level": "read_committed",
                "retry.backoff.ms": 10,
                "log_level": 0,
            }
        )
        self._places = [TopicPartition(log.topic, partition) for partition in log.ends]
        self._begin = sum(log.begins)
        self._broker_pid = broker_pid

    def watch(
        self,
        pids: list[int],
        *,
        warm_up: int,
        until: int,
        check: Callable[[], None],
        within_s: float,
    ) -> Seen:
        """Count from a commit past *warm_up* events to the one of *until*; *check* may raise."""
        deadline = time.monotonic() + within_s
        # The commit that is there already may be old: it is the next one that starts the count.
        before = -1
        started = self._begin, time.monotonic(), _cpu_s(pids), cpu_s(self._broker_pid)
        begun: tuple[int, float, float, float] | None = None
        while True:
            count = self.committed()
            now = time.monotonic()
            if begun is None and until > count >= warm_up and -1 < before < count:
                begun = count, now, _cpu_s(pids), cpu_s(self._broker_pid)
            elif count >= until:
                # A log so short that its commits cannot be told apart is counted with the start.
                first, since, cpu, broker_cpu = begun or started
                return Seen(
                    count - first,
                    now - since,
                    _cpu_s(pids) - cpu,
                    cpu_s(self._broker_pid) - broker_cpu,
                    sum(resident_bytes(pid) for top in pids for pid in family(top)),
                    count,
                )
            if now > deadline:
                raise TimeoutError(f"{count} of {until} events within {within_s:.0f} s")
            check()
            before = max(count, before)
            time.sleep(_LOOK_EVERY_S)

    def wait(self, until: int, *, check: Callable[[], None], within_s: float) -> None:
        """Return when *until* events are committed."""
        deadline = time.monotonic() + within_s
        while (count := self.committed()) < until:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{count} of {until} events within {within_s:.0f} s")
            check()
            time.sleep(_LOOK_EVERY_S)

    def committed(self) -> int:
        """Return how many records of the log are committed; -1 when that is open just now."""
        try:
            found = self._consumer.committed(self._places, _ASK_S)
        except KafkaException:
            # The group is not there yet, or a transaction is open for long.
            return -1
        if any(place.error for place in found):
            return -1
        return sum(max(place.offset, 0) for place in found)


def _cpu_s(pids: list[int]) -> float:
    return sum(cpu_s(pid) for top in pids for pid in family(top))
