"""`mailing-trigger` that ends or freezes itself at a named point, or has a bug: for tests alone.

The product has no hooks: this wraps some of its functions before it runs its command line.
`HISTORY_POINT` is ``<point>:<how many times it is passed>:kill|freeze``; `HISTORY_MUTANT` names one
of `tests.history.mutants`.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from streams.core.restore import Restore
from streams.worker import engine, shipping
from streams.worker.shipping import Replier, Shipper

if TYPE_CHECKING:
    from collections.abc import Callable

POINT = "HISTORY_POINT"
MUTANT = "HISTORY_MUTANT"
_FLUSH_S = 10.0
_EVENTS, _SLICE = 100, 50


class Point:
    """Where the process ends, once it was passed often enough."""

    def __init__(self, order: str) -> None:
        self.name, passes, self._how = order.split(":")
        self._left = int(passes)

    def passed(self, *producers: Any) -> None:
        """Be here once more; what *producers* were given is at the broker before the end."""
        self._left -= 1
        if self._left:
            return
        for producer in producers:
            producer.flush(_FLUSH_S)
        print(f"reached {self.name}: {self._how}", flush=True)
        number = signal.SIGKILL if self._how == "kill" else signal.SIGSTOP
        os.kill(os.getpid(), number)


def install(point: Point) -> None:
    """Wrap what *point* is about."""
    {
        "before-commit": _around_commit,
        "after-commit": _around_commit,
        "in-drain": _around_commit,
        "between-slices": _around_commit,
        "after-reply": _after_reply,
        "in-restore": _in_restore,
    }[point.name](point)


def _around_commit(point: Point) -> None:
    if point.name == "between-slices":
        # Or an invocation would need thousands of messages to take two transactions.
        engine._MAX_EVENTS, engine._DRAIN_SLICE = _EVENTS, _SLICE
    commit, ship = shipping._commit, Shipper.ship
    shipped: list[Any] = []

    def noting(self: Any, transaction: Any, **more: Any) -> Any:
        shipped[:] = [transaction]
        return ship(self, transaction, **more)

    def committing(producer: Any, deadline: float) -> None:
        parts = shipped[0].parts.values()
        sends = any(part.effects.sends for part in parts)
        # Of an invocation that goes on, and of no event.
        slices = any(
            part.effects.sends and part.first is None and part.fold.state.drains for part in parts
        )
        if point.name == "before-commit" or (point.name == "in-drain" and sends):
            point.passed(producer)
        commit(producer, deadline)
        if point.name == "after-commit" or (point.name == "between-slices" and slices):
            point.passed()

    Shipper.ship = noting  # type: ignore[method-assign]
    shipping._commit = committing


def _after_reply(point: Point) -> None:
    send = Replier.send

    def sending(self: Any, replies: Any, receipt: Any) -> None:
        send(self, replies, receipt)
        point.passed(self._producer)

    Replier.send = sending  # type: ignore[method-assign]


def _in_restore(point: Point) -> None:
    take: Callable[..., None] = Restore.take

    def taking(self: Any, records: Any) -> None:
        take(self, records)
        point.passed()

    Restore.take = taking  # type: ignore[method-assign]


def main() -> None:
    """Run the command line."""
    if MUTANT in os.environ:
        from tests.history.mutants import MUTANTS

        MUTANTS[os.environ[MUTANT]].install()
    if POINT in os.environ:
        install(Point(os.environ[POINT]))
    from mailing_trigger.cli import main as run

    run()


if __name__ == "__main__":
    sys.exit(main())
