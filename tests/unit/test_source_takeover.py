"""The restorers' part of a source: it tries again, and whatever it cannot mend ends the worker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.core.partition import PartitionState
from streams.store.memory import MemoryRecipients
from streams.worker import source
from streams.worker.errors import WorkerError
from streams.worker.settings import WorkerSettings
from streams.worker.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.worker.source import Listener

SETTINGS = WorkerSettings("localhost:9092")
STATE = PartitionState(0, 1, MemoryRecipients(), topic_id="log")


class Unlucky:
    """A takeover that fails once; making its clients anew raises what *reconnects* holds."""

    def __init__(self, *reconnects: Exception) -> None:
        self._reconnects = list(reconnects)
        self.runs = 0

    def run(self, _partition: int, _still_ours: Callable[[], bool]) -> PartitionState:
        """Fail at first."""
        self.runs += 1
        if self.runs == 1:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return STATE

    def reconnect(self) -> None:
        """Make clients anew."""
        if self._reconnects:
            raise self._reconnects.pop(0)


def _no_client() -> KafkaException:
    return KafkaException(KafkaError(KafkaError._FAIL, "a file could not be opened"))


def _take_over(
    monkeypatch: pytest.MonkeyPatch, unlucky: Unlucky, *, tries: int
) -> tuple[Any, list[Exception]]:
    """Run the restorer's part of a source, here; return the source and how it failed."""
    failures: list[Exception] = []
    monkeypatch.setattr(source, "Takeover", lambda *_: unlucky)
    monkeypatch.setattr(source, "pauses", lambda _: iter([0.0] * tries))
    made: Any = Source(SETTINGS, cast("Listener", SimpleNamespace(fail=failures.append)), "ours")
    made._incarnations[0] = 1
    made._take_over(0, 1)
    return made, failures


def test_a_takeover_goes_on_when_no_client_could_be_made_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unlucky = Unlucky(_no_client(), _no_client())
    made, failures = _take_over(monkeypatch, unlucky, tries=5)
    assert not failures
    assert unlucky.runs == 2
    assert len(made._orders) == 1, "the partition's delivery"


def test_a_worker_that_can_take_nothing_over_names_what_kafka_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, (failure,) = _take_over(monkeypatch, Unlucky(*[_no_client()] * 9), tries=3)
    assert isinstance(failure, WorkerError)
    assert "partition 0 could not be taken over in 300 s" in str(failure)
    assert "a file could not be opened" in str(failure)
    assert not made._orders


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
def test_a_worker_whose_machine_fails_a_takeover_ends(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    made, failures = _take_over(monkeypatch, Unlucky(error), tries=3)
    assert failures == [error]
    assert not made._orders
