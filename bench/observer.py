"""The progress of a contestant, seen from outside: its replies and its committed offsets."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from bench.processes import cpu_s
from schemas.topics import ACK_PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_EVERY_S = 0.05
_ASK_S = 10.0


@dataclass(frozen=True, slots=True)
class Seen:
    """From the first reply seen to the last, and to the commit of the last event.

    *events* were answered in between; CPU is that of the contestant and of the broker.
    """

    events: int
    seconds: float
    cpu_s: float
    broker_cpu_s: float

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
        """The contestant's share of a core."""
        return self.cpu_s / self.seconds


class Observer:
    """Watches one run; *log_end* are the offsets that its group commits in the end."""

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        acks: str,
        log: str,
        group: str,
        log_end: dict[int, int],
        broker_pid: int,
    ) -> None:
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
        self._acks = [TopicPartition(acks, partition) for partition in range(ACK_PARTITIONS)]
        self._group = group
        self._places = [TopicPartition(log, partition) for partition in log_end]
        self._log_end = log_end
        self._broker_pid = broker_pid

    def watch(self, pid: int, *, replies: int, check: Callable[[], None], within_s: float) -> Seen:
        """Return what was seen, once all *replies* are committed; *check* raises on a death."""
        deadline = time.monotonic() + within_s
        begun: tuple[int, float, float, float] | None = None
        while True:
            count = self._replies()
            now = time.monotonic()
            if begun is None and count:
                begun = count, now, cpu_s(pid), cpu_s(self._broker_pid)
            if begun is not None and count >= replies and self._committed():
                first, since, cpu, broker_cpu = begun
                return Seen(
                    replies - first,
                    time.monotonic() - since,
                    cpu_s(pid) - cpu,
                    cpu_s(self._broker_pid) - broker_cpu,
                )
            if now > deadline:
                raise TimeoutError(f"{count} of {replies} replies within {within_s:.0f} s")
            check()
            time.sleep(_LOOK_EVERY_S)

    def _replies(self) -> int:
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        found = self._admin.list_offsets(dict.fromkeys(self._acks, latest))
        try:
            return sum(each.result(_ASK_S).offset for each in found.values())
        except KafkaException:
            # New topics are still finding their leader: asked again in a moment.
            return 0

    def _committed(self) -> bool:
        request = ConsumerGroupTopicPartitions(self._group, self._places)
        try:
            answer = self._admin.list_consumer_group_offsets([request], require_stable=True)
            offsets = answer[self._group].result(_ASK_S).topic_partitions
        except KafkaException:
            # A transaction is open: not committed, then.
            return False
        return all(place.offset >= self._log_end[place.partition] for place in offsets)
