"""The system under test: a broker, worker processes and a bridge, each watched as in production.

Whatever ends by itself is started again after a moment, as a supervisor would; that is counted.
What a fault ends is left alone until the fault starts it.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from streams.embedded.ports import free_port
from streams.worker.admin import create_topics
from tests.history.points import MUTANT, POINT
from tests.support.processes import Processes
from tests.support.proxied import proxied
from tests.support.proxy_apart import proxy_apart
from tests.support.topics import PARTITIONS, fresh_prefix
from tests.support.worker import SESSION_S, Cluster
from tests.support.wrong_clock import WrongClock

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from streams.embedded.broker import EmbeddedBroker
    from tests.support.faultproxy import FaultProxy
    from tests.support.processes import Running
    from tests.support.proxied import Proxied

BRIDGE_ACK_TIMEOUT_S = 5.0
_LOOK_EVERY_S = 0.2
_START_AGAIN_S = 1.0
_STOPS_WITHIN_S = 40.0


@dataclass(slots=True)
class Place:
    """Where a process of ours runs; *wanted* says whether it has to."""

    name: str
    begin: Callable[[], Running]
    process: Running | None = None
    wanted: bool = False
    ended_by_itself: int = 0
    down_since: float | None = None

    def start(self) -> None:
        """Start the process, and have it started again when it ends by itself."""
        self.process = self.begin()
        self.wanted, self.down_since = True, None

    def kill(self) -> None:
        """End it as `kill -9` does; it stays down."""
        self.wanted = False
        if self.process is not None:
            self.process.kill()

    def stop(self) -> None:
        """End it in good order; it stays down."""
        self.wanted = False
        if self.process is None or not self.process.running():
            return
        try:
            self.process.stop(within_s=_STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"{self.name} did not stop") from None

    def look(self) -> None:
        """Start it again a moment after it has ended by itself."""
        if not self.wanted or self.process is None or self.process.running():
            return
        now = time.monotonic()
        if self.down_since is None:
            self.ended_by_itself += 1
            self.down_since = now
        elif now - self.down_since > _START_AGAIN_S:
            self.start()


@dataclass(slots=True)
class System:
    """Everything that runs; *workers* are its standing ones.

    Whoever has *cluster* passes *proxy*; *seen* is the same past it, for those who look on.
    """

    broker: EmbeddedBroker
    proxy: FaultProxy
    cluster: Cluster
    seen: Cluster
    port: int
    mutant: str = ""
    session_s: float = SESSION_S
    workers: list[Place] = field(default_factory=list)
    bridge: Place = field(init=False)
    # Makes clients ask for so much of one partition at once that an invocation there takes several
    # transactions.
    burst: Callable[[int], None] = field(default=lambda _: None)
    # Ends the connections of those who call the bridge.
    cut_callers: Callable[[], None] = field(default=lambda: None)
    # The wall clock of the first worker; None where none can be shifted.
    clock: WrongClock | None = field(init=False)

    def __post_init__(self) -> None:
        self.clock = _clock(self.cluster.directory)
        clock = self.clock.environment if self.clock else {}
        # A mutant's bug may be in what reads the changelog, so its workers keep nothing.
        disk = {} if self.mutant else {"STORE": "rocksdb", "DATA_DIR": str(self._data)}
        self.workers = [
            Place("worker 1", partial(self.start_worker, env=clock)),
            Place("worker 2", partial(self.start_worker, **disk)),
        ]
        self.bridge = Place("bridge", self._start_bridge)

    @property
    def url(self) -> str:
        """Where the bridge answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def databases(self) -> Path:
        """Where the second worker keeps what it can make again from the changelog."""
        return self._data / "worker" / "rocksdb"

    @property
    def _data(self) -> Path:
        return self.cluster.directory / "worker-2"

    @property
    def places(self) -> list[Place]:
        """Everything of ours that stands."""
        return [*self.workers, self.bridge]

    def start_worker(
        self, point: str = "", *, env: Mapping[str, str] | None = None, **more: str
    ) -> Running:
        """Start one more worker of the group; it ends at *point*, when one is given."""
        more = {"SESSION_TIMEOUT_S": str(self.session_s)} | more
        env = self.cluster.environment(**more) | dict(env or {})
        module = "mailing_trigger"
        for name, value in ((POINT, point), (MUTANT, self.mutant)):
            if value:
                module, env[name] = "tests.history.points", value
        return self.cluster.processes.start_module(module, "worker", "--processes", "1", env=env)

    def signal_broker(self, number: signal.Signals) -> None:
        os.kill(self.broker.pid, number)

    def _start_bridge(self) -> Running:
        env = self.cluster.environment(PORT=str(self.port), ACK_TIMEOUT_S=str(BRIDGE_ACK_TIMEOUT_S))
        return self.cluster.processes.start("bridge", env=env)


def broker_in(directory: Path) -> AbstractContextManager[Proxied]:
    """Run a broker of our own, behind a proxy, until the block ends."""
    return proxied(directory, proxy_apart)


def _clock(directory: Path) -> WrongClock | None:
    try:
        return WrongClock(directory)
    except pytest.skip.Exception:
        return None


@contextmanager
def running(
    broker: Proxied,
    directory: Path,
    *,
    mutant: str = "",
    session_s: float = SESSION_S,
) -> Iterator[System]:
    """Start workers and a bridge on new topics of *broker*; end all with the block."""
    prefix = fresh_prefix()
    create_topics(broker.direct, prefix=prefix, partitions=PARTITIONS)
    processes = Processes(directory)
    cluster = Cluster(broker.bootstrap_servers, prefix, directory, processes)
    system = System(
        broker.broker,
        broker.proxy,
        cluster,
        replace(cluster, bootstrap_servers=broker.direct),
        free_port(),
        mutant=mutant,
        session_s=session_s,
    )
    ending = threading.Event()

    def supervise() -> None:
        while not ending.wait(_LOOK_EVERY_S):
            for place in system.places:
                place.look()

    supervisor = threading.Thread(target=supervise, name="supervisor")
    supervisor.start()
    try:
        for place in system.places:
            place.start()
        yield system
    finally:
        ending.set()
        supervisor.join()
        for place in system.places:
            place.wanted = False
        for process in processes.started:
            process.kill()
