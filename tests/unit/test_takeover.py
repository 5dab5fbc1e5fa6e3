"""A takeover whose question for the offset is not answered: what it makes of that."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streams.worker import takeover
from streams.worker.errors import TakeoverRefused
from streams.worker.settings import WorkerSettings
from streams.worker.takeover import Takeover

SETTINGS = WorkerSettings("localhost:9092")


class Coordinator:
    """What the group's coordinator answers, and the time that passes while it does not."""

    def __init__(self) -> None:
        self.now = 0.0
        self.answers, self.stable = True, True

    def client(self, _settings: WorkerSettings, *, stable: bool) -> Any:
        """Return a consumer that is asked for offsets."""

        def committed(places: list[TopicPartition], timeout: float) -> list[TopicPartition]:
            if not self.answers or (stable and not self.stable):
                self.now += timeout
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
            return [TopicPartition(place.topic, place.partition, 7) for place in places]

        return SimpleNamespace(committed=committed)


@pytest.fixture
def coordinator(monkeypatch: pytest.MonkeyPatch) -> Coordinator:
    made = Coordinator()
    monkeypatch.setattr(takeover, "admin_client", lambda _: None)
    monkeypatch.setattr(takeover, "offsets_consumer", made.client)
    monkeypatch.setattr(takeover, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


def _stable_offset() -> int:
    return Takeover(SETTINGS, "ours")._stable_offset(0, lambda: True).offset


def test_a_coordinator_that_is_away_is_not_taken_for_an_open_transaction(
    coordinator: Coordinator,
) -> None:
    coordinator.answers = False
    with pytest.raises(KafkaException):
        _stable_offset()


def test_a_transaction_that_stays_open_is_refused(coordinator: Coordinator) -> None:
    coordinator.stable = False
    with pytest.raises(TakeoverRefused, match="another worker's transaction"):
        _stable_offset()
    assert coordinator.now >= takeover._STABLE_WITHIN_S


def test_a_client_that_waits_for_a_dead_coordinator_is_not_taken_for_an_open_transaction(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The one that was made first asks in vain, whoever coordinates now.
    made: list[bool] = []

    def client(settings: WorkerSettings, *, stable: bool) -> Any:
        coordinator.stable = len(made) > 2
        made.append(stable)
        return coordinator.client(settings, stable=stable)

    monkeypatch.setattr(takeover, "offsets_consumer", client)
    assert _stable_offset() == 7
