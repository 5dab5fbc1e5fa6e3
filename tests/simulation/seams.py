"""Where the world is taken from the worker: three client classes, time, threads, chance.

The worker's modules are the shipped ones. Every name below one of them that leads out of the
process is replaced by the simulation's, and nothing else is.
"""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import streams.worker
from streams.worker import kafka
from tests.simulation.admin import SimAdmin
from tests.simulation.consumer import SimConsumer
from tests.simulation.producer import SimProducer
from tests.simulation.threads import SimCondition, SimFuture, SimPool, SimThread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.world import World

# The world of the schedule that runs.
_world: World | None = None
# They are not the worker at work: its start, and the process around it.
_OUTSIDE = {"app", "watchdog", "hearing", "memory", "broker", "registry"}


def current() -> World:
    """Return the world of the schedule that runs."""
    assert _world is not None
    return _world


class _Asyncio:
    """asyncio, but for the one call that blocks a thread on the loop."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    @staticmethod
    def run_coroutine_threadsafe(coro: Any, loop: Any) -> SimFuture:
        return SimFuture(loop.call_threadsafe(coro), current().scheduler)


def _now() -> float:
    return current().scheduler.now


def _sleep(seconds: float) -> None:
    current().scheduler.sleep(seconds)


def _client(made: Any) -> Any:
    # A process is known by the address it is given for its broker.
    def make(config: dict[str, Any]) -> Any:
        return made(current().processes[config["bootstrap.servers"]], config)

    return make


_NAMES: dict[str, Any] = {
    "time": SimpleNamespace(monotonic=_now, time=_now, sleep=_sleep),
    "threading": SimpleNamespace(
        Thread=lambda **named: SimThread(current().scheduler, **named),
        Condition=lambda: SimCondition(current().scheduler),
        Lock=lambda: SimCondition(current().scheduler),
    ),
    "ThreadPoolExecutor": lambda size, **named: SimPool(
        current().scheduler, current().broker.saw, size, **named
    ),
    "random": SimpleNamespace(uniform=lambda low, high: (low + high) / 2),
    "asyncio": _Asyncio(),
}
_CLIENTS = {"Consumer": SimConsumer, "Producer": SimProducer, "AdminClient": SimAdmin}


@contextmanager
def installed(world: World) -> Iterator[None]:
    """Let the worker's modules live in *world*."""
    global _world  # noqa: PLW0603 - one schedule runs at a time
    _world = world
    try:
        with _replaced():
            yield
    finally:
        _world = None


@contextmanager
def _replaced() -> Iterator[None]:
    with ExitStack() as stack:
        for name, made in _CLIENTS.items():
            stack.enter_context(mock.patch.object(kafka, name, _client(made)))
        for module in _modules():
            for name, ours in _NAMES.items():
                if name in vars(module):
                    stack.enter_context(mock.patch.object(module, name, ours))
        yield


def _modules() -> list[Any]:
    found = pkgutil.iter_modules(streams.worker.__path__, "streams.worker.")
    names = [each.name for each in found if each.name.rpartition(".")[2] not in _OUTSIDE]
    return [importlib.import_module(name) for name in names]
