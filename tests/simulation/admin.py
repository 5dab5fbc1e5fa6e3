"""`confluent_kafka.admin.AdminClient` as the worker uses it, on the simulated broker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from confluent_kafka import IsolationLevel, KafkaError
from confluent_kafka.admin import OffsetSpec

from tests.simulation.broker import refusal

if TYPE_CHECKING:
    from tests.simulation.process import Process


class _Answer:
    """A future that is answered already."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def result(self, timeout: float | None = None) -> Any:
        """Return the answer, or raise it."""
        assert timeout is not None, "every wait for a broker has a limit"
        if isinstance(self._value, Exception):
            raise self._value
        return self._value


class SimAdmin:
    """An administration client of *process*."""

    def __init__(self, process: Process, _config: dict[str, Any]) -> None:
        self._process, self._world, self._broker = process, process.world, process.world.broker

    def _ask(self, what: str) -> Exception | None:
        if self._world.call(self._process, f"asks for {what}", "is not answered"):
            return refusal(KafkaError._TIMED_OUT, f"{what} not answered", retriable=True)
        return None

    def describe_topics(self, topics: Any, *, request_timeout: float) -> dict[str, _Answer]:
        """Topic ids and partition counts."""
        error = self._ask("topics") if request_timeout else None
        return {
            name: _Answer(
                error
                or SimpleNamespace(
                    topic_id=f"id-of-{name}", partitions=[None] * self._broker.partitions[name]
                )
            )
            for name in topics.topic_names
        }

    def describe_consumer_groups(self, groups: list[str]) -> dict[str, _Answer]:
        """Who is a member now."""
        error = self._ask("members")
        members = [SimpleNamespace(member_id=name) for name in self._broker.group.members]
        return {name: _Answer(error or SimpleNamespace(members=members)) for name in groups}

    def list_offsets(
        self, places: dict[Any, Any], *, isolation_level: IsolationLevel | None = None
    ) -> dict[Any, _Answer]:
        """First offset or end of partitions."""
        error = self._ask("ends")
        answers = {}
        for place, spec in places.items():
            log = self._broker.logs[place.topic, place.partition]
            end = log.stable_end if isolation_level is IsolationLevel.READ_COMMITTED else log.end
            offset = end if spec is OffsetSpec.latest() else 0
            answers[place] = _Answer(error or SimpleNamespace(offset=offset))
        return answers
