"""What becomes of a worker whose client library does not come back."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from schemas.codec import Codec
from streams.worker import engine as engines
from streams.worker.engine import Engine
from streams.worker.errors import WorkerError
from streams.worker.settings import WorkerSettings
from streams.worker.shipping import Outcome, Shipped
from streams.worker.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHIN_S = 10.0


class Stuck:
    """A shipper that hangs until the test is over."""

    over = threading.Event()

    def __init__(self, *_: object) -> None: ...

    def renew(self) -> None: ...

    def ship(self, *_: object, **__: object) -> Shipped:
        self.over.wait()
        return Shipped(Outcome.BROKEN)


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[BaseException]]:
    monkeypatch.setattr(engines, "Shipper", Stuck)
    monkeypatch.setattr(engines, "_SHIP_LIMIT_S", 0.01)
    yield []
    Stuck.over.set()


def test_a_worker_that_leaves_one_shipper_after_the_other_behind_ends_at_the_eighth(
    failures: list[BaseException],
) -> None:
    async def story() -> list[int]:
        engine: Any = Engine(
            WorkerSettings(bootstrap_servers="127.0.0.1:1"),
            Codec().framing,
            "worker",
            resolve=lambda _: False,
            on_failure=failures.append,
        )
        failed = []
        for _ in range(8):
            engine._building = Transaction(None)
            engine._ship()
            # `_flush` would wait for a shipper that does come back.
            async with asyncio.timeout(WITHIN_S):
                await engine._settle()
            failed.append(len(failures))
        return failed

    assert asyncio.run(story()) == [0] * 7 + [1]
    (error,) = failures
    assert isinstance(error, WorkerError)
    assert "start the worker again" in str(error)
