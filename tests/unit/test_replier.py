"""Events of the worker's own, which nobody waits for, and a producer that never delivers them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from schemas.codec import Codec
from streams.worker import shipping
from streams.worker.engine import Engine
from streams.worker.settings import WorkerSettings
from streams.worker.transaction import Transaction
from tests.support.hand_clock import HandClock

if TYPE_CHECKING:
    from collections.abc import Callable

SETTINGS = WorkerSettings("127.0.0.1:1")


class FakeProducer:
    """Keeps what it is given until `deliver`."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[object, object], None]] = []
        self.forgotten = False

    def produce(self, *_: object, on_delivery: Callable[[object, object], None], **__: int) -> None:
        self.waiting.append(on_delivery)

    def poll(self, _: float) -> None: ...

    def flush(self, _: float) -> None: ...

    def purge(self, *, blocking: bool) -> None:
        assert not blocking
        self.forgotten = True

    def deliver(self) -> None:
        self.waiting.pop(0)(None, None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    clock = HandClock()
    monkeypatch.setattr(shipping, "time", SimpleNamespace(monotonic=clock))
    return clock


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[FakeProducer]:
    """The producers, in the order in which they were made."""
    made: list[FakeProducer] = []

    def make(_: WorkerSettings) -> FakeProducer:
        made.append(FakeProducer())
        return made[-1]

    monkeypatch.setattr(shipping, "replies_producer", make)
    return made


def engine() -> Any:
    return Engine(
        SETTINGS,
        Codec().framing,
        "worker",
        resolve=lambda _: False,
        on_failure=lambda _: None,
    )


def test_a_producer_that_never_delivers_a_timers_invocation_is_replaced(
    clock: HandClock, made: list[FakeProducer]
) -> None:
    worker = engine()
    worker.replier.send_event(b"key", b"invoked", 0)
    worker.replier.send_event(b"key", b"invoked", 1)
    made[0].deliver()
    clock.now += 10.0
    worker.tick()
    assert len(made) == 1
    clock.now += 10.0
    worker.tick()
    assert len(made) == 2
    assert made[0].forgotten
    # What is heard of the old one's says nothing of the new one.
    made[0].deliver()
    worker.replier.send_event(b"key", b"invoked", 1)
    worker.tick()
    assert len(made) == 2


def test_a_late_producer_is_kept_while_a_transaction_has_replies_in_it(
    clock: HandClock, made: list[FakeProducer]
) -> None:
    worker = engine()
    worker.replier.send_event(b"key", b"invoked", 0)
    clock.now += 100.0
    worker._building = cast("Any", Transaction(None))
    worker.tick()
    assert len(made) == 1
    worker._building = None
    worker.tick()
    assert len(made) == 2


def test_a_producer_that_delivers_is_kept(clock: HandClock, made: list[FakeProducer]) -> None:
    worker = engine()
    worker.replier.send_event(b"key", b"invoked", 0)
    made[0].deliver()
    clock.now += 100.0
    worker.tick()
    assert len(made) == 1
