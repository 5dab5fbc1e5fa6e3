"""Broker, topics, worker and bridge of one machine: started in order, watched, stopped in order."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from mailing_trigger import children, running
from mailing_trigger.errors import CommandError
from mailing_trigger.ports import require_free
from mailing_trigger.settings import child_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mailing_trigger.settings import Settings
    from streams.embedded.broker import EmbeddedBroker

READY_WITHIN_S = 60.0  # 4 s on two idle cores, restoring a small state included
LOOK_EVERY_S = 0.1
ASK_WITHIN_S = 5.0
# Together with the broker's limit they stay below the 10 s that Ctrl-C may take.
BRIDGE_STOPS_WITHIN_S = 4.5
WORKER_STOPS_WITHIN_S = 3.0
SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class System:
    """What runs: *settings* name the broker, *url* is the bridge's."""

    settings: Settings
    url: str
    children: tuple[children.Child, ...]
    broker: EmbeddedBroker | None

    def check(self) -> None:
        """Raise when a part has died, saying which and what it said last."""
        if self.broker is not None:
            self.broker.check()
        for child in self.children:
            if child.died():
                raise child.death()


@contextmanager
def started(settings: Settings, progress: Callable[[str], None]) -> Iterator[System]:
    """Start everything, yield when a call would be answered, stop everything.

    SIGTERM ends the block as Ctrl-C does, with KeyboardInterrupt; a second one is ignored.
    """
    require_free(settings.host, settings.port)
    with _interruptible(), ExitStack() as stack:
        try:
            yield _start(settings, progress, stack)
        finally:
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)


def _start(settings: Settings, progress: Callable[[str], None], stack: ExitStack) -> System:
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # it will hold addresses
    broker = None
    if not settings.bootstrap_servers:
        broker = _start_broker(settings, progress, stack)
        settings = replace(settings, bootstrap_servers=broker.bootstrap_servers)
    # Only now, when nobody else can be running on this folder.
    running.remember(settings.data_dir, settings.bootstrap_servers)
    stack.callback(running.forget, settings.data_dir)
    _create_topics(settings, progress)
    env = child_environment(settings)
    progress("starting the worker")
    worker = _start_child("worker", settings, env, stack, within_s=WORKER_STOPS_WITHIN_S)
    progress("starting the bridge")
    bridge = _start_child("bridge", settings, env, stack, within_s=BRIDGE_STOPS_WITHIN_S)
    system = System(settings, _url(settings), (worker, bridge), broker)
    _wait_until_ready(system)
    return system


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM be what Ctrl-C is; give both back what they did before."""
    before = [(number, signal.signal(number, signal.default_int_handler)) for number in SIGNALS]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _start_broker(
    settings: Settings, progress: Callable[[str], None], stack: ExitStack
) -> EmbeddedBroker:
    from streams.embedded.broker import EmbeddedBroker  # noqa: PLC0415 - only when there is none

    broker = EmbeddedBroker(settings.data_dir / "broker", jars=settings.jars, progress=progress)
    stack.callback(broker.stop)
    broker.start()
    return broker


def _create_topics(settings: Settings, progress: Callable[[str], None]) -> None:
    from streams.worker.admin import create_topics  # noqa: PLC0415 - help must not wait for it

    progress("creating the topics that are missing")
    create_topics(
        settings.bootstrap_servers,
        prefix=settings.topic_prefix,
        partitions=settings.partitions,
        replication=settings.replication,
        security=settings.kafka,
    )


def _start_child(
    name: str, settings: Settings, env: Mapping[str, str], stack: ExitStack, *, within_s: float
) -> children.Child:
    log = settings.data_dir / "logs" / f"{name}.log"
    child = children.start(name, children.command(name), env, log=log)
    stack.callback(lambda: child.stop(within_s=within_s))
    return child


def _wait_until_ready(system: System) -> None:
    import httpx  # noqa: PLC0415 - help must not wait for it

    deadline = time.monotonic() + READY_WITHIN_S
    answer = "no answer"
    while time.monotonic() < deadline:
        system.check()
        try:
            ready = httpx.get(f"{system.url}/readyz", timeout=ASK_WITHIN_S, trust_env=False)
        except httpx.TransportError:
            pass
        else:
            if ready.status_code == HTTPStatus.OK:
                return
            answer = f"status {ready.status_code}"
        time.sleep(LOOK_EVERY_S)
    raise CommandError(
        f"the bridge was not ready within {READY_WITHIN_S:.0f} s ({answer} from /readyz): "
        f"see the logs in {system.settings.data_dir / 'logs'}"
    )


def _url(settings: Settings) -> str:
    # What listens on every address is reached on this machine by the loopback one.
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::", ""} else settings.host  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
