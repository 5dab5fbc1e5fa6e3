"""Whether events wait that nobody fetches: what a hanging consumer looks like from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from streams.worker.kafka import admin_client

if TYPE_CHECKING:
    from streams.worker.engine import Engine
    from streams.worker.settings import WorkerSettings

_ASK_S = 5.0


class LagProbe:
    """Compares how far the log may be read with how far it was."""

    def __init__(self, settings: WorkerSettings, engine: Engine) -> None:
        self._topic = settings.log
        self._engine = engine
        self._admin = admin_client(settings)

    def events_wait(self) -> bool:
        """Whether a partition that is ours has events nobody fetched.

        Its end is the last stable offset: events behind somebody's open transaction are not ours
        to wait for. A broker that does not answer makes nobody guilty.
        """
        positions = dict(self._engine.source.positions)
        places = [TopicPartition(self._topic, partition) for partition in list(self._engine.owned)]
        if not places:
            return False
        asked = self._admin.list_offsets(
            {place: OffsetSpec.latest() for place in places},  # type: ignore[no-untyped-call]
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=_ASK_S,
        )
        try:
            ends = {
                place.partition: future.result(_ASK_S).offset for place, future in asked.items()
            }
        except (KafkaException, TimeoutError):
            return False
        return any(end > positions.get(partition, 0) for partition, end in ends.items())
