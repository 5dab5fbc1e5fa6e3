"""Whether the log is still the one that states were made of: its UUID and its partition count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import KafkaException

from streams.worker.admin import AdminError, topic_shapes
from streams.worker.errors import TakeoverRefused
from streams.worker.kafka import admin_client

if TYPE_CHECKING:
    from streams.core.partition import PartitionState
    from streams.worker.admin import TopicShape
    from streams.worker.engine import Engine
    from streams.worker.settings import WorkerSettings


def check_shape(name: str, shape: TopicShape, state: PartitionState) -> None:
    """Raise TakeoverRefused unless *state* was made of the topic that has *shape* now."""
    if shape.topic_id != state.topic_id:
        raise TakeoverRefused(
            f"topic {name} was recreated: its offsets start anew and would give IDs out "
            "twice; use a new topic prefix, or delete the state topic and accept new IDs"
        )
    if shape.partitions != state.partitions:
        raise TakeoverRefused(
            f"topic {name} has {shape.partitions} partitions, its state was made with "
            f"{state.partitions}: addresses have other homes now; use a new topic prefix"
        )


class ShapeProbe:
    """Looks at the log's shape while the worker runs.

    A consumer does not mind a topic that was deleted and made again: it would go on in the new one.
    """

    def __init__(self, settings: WorkerSettings, engine: Engine) -> None:
        self._name = settings.log
        self._engine = engine
        self._settings = settings
        self._admin = admin_client(settings)

    def check(self) -> None:
        """Raise TakeoverRefused when a state of ours is of another log; blocks.

        A topic that is missing says nothing yet, nor does a broker that does not answer.
        """
        states = [owned.fold.state for owned in list(self._engine.owned.values())]
        try:
            shape = topic_shapes(self._admin, [self._name]).get(self._name)
        except (AdminError, KafkaException, TimeoutError):
            # Asked with a new client: one that lived through a broker's restart may never answer.
            self._admin = admin_client(self._settings)
            return
        if shape is not None:
            for state in states:
                check_shape(self._name, shape, state)
