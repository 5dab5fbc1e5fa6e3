"""The system under test: a broker, worker processes and a bridge, each watched as in production.

Whatever ends by itself is started again after a moment, as a supervisor would; that is counted.
What a fault ends is left alone until the fault starts it.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streams.embedded.broker import EmbeddedBroker
from streams.embedded.ports import free_port
from streams.worker.admin import create_topics
from tests.history.points import MUTANT, POINT
from tests.support.processes import Processes
from tests.support.topics import PARTITIONS, fresh_prefix
from tests.support.worker import SESSION_S, Cluster

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.processes import Running

WORKERS = 2
BRIDGE_ACK_TIMEOUT_S = 5.0
BROKER_WITHIN_S = 180.0
_LOOK_EVERY_S = 0.2
_START_AGAIN_S = 1.0


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
        if self.process is not None and self.process.running():
            self.process.stop(within_s=40)

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
    """Everything that runs; *workers* are its standing ones."""

    broker: EmbeddedBroker
    cluster: Cluster
    port: int
    mutant: str = ""
    session_s: float = SESSION_S
    workers: list[Place] = field(default_factory=list)
    bridge: Place = field(init=False)
    # Makes clients ask for so much at once that an invocation takes several transactions.
    burst: Callable[[], None] = field(default=lambda: None)

    def __post_init__(self) -> None:
        self.workers = [
            Place(f"worker {number}", self.start_worker) for number in range(1, WORKERS + 1)
        ]
        self.bridge = Place("bridge", self._start_bridge)

    @property
    def url(self) -> str:
        """Where the bridge answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def places(self) -> list[Place]:
        """Everything of ours that stands."""
        return [*self.workers, self.bridge]

    def start_worker(self, point: str = "") -> Running:
        """Start one more worker of the group; it ends at *point*, when one is given."""
        env = self.cluster.environment(SESSION_TIMEOUT_S=str(self.session_s))
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


@contextmanager
def broker_in(directory: Path) -> Iterator[EmbeddedBroker]:
    """Run a broker of our own, on a machine that may be busy, until the block ends."""
    broker = EmbeddedBroker(directory, serve_within_s=BROKER_WITHIN_S)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@contextmanager
def running(
    broker: EmbeddedBroker,
    directory: Path,
    *,
    mutant: str = "",
    session_s: float = SESSION_S,
) -> Iterator[System]:
    """Start workers and a bridge on new topics of *broker*; end all with the block."""
    prefix = fresh_prefix()
    create_topics(broker.bootstrap_servers, prefix=prefix, partitions=PARTITIONS)
    processes = Processes(directory)
    cluster = Cluster(broker.bootstrap_servers, prefix, directory, processes)
    system = System(broker, cluster, free_port(), mutant=mutant, session_s=session_s)
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
