"""A whole run: brokers, workers, whoever calls them, faults, and healing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest import mock

from schemas.topics import ACK_PARTITIONS, ACKS, DEAD_LETTERS, LOG, SENDS, STATE, STATISTICS
from streams.worker import engine
from tests.simulation import seams
from tests.simulation.broker import Broker
from tests.simulation.process import Process
from tests.simulation.scheduler import Scheduler, Steps
from tests.simulation.workload import PARTITIONS, Upstream

if TYPE_CHECKING:
    from tests.simulation.schedule import Schedule
    from tests.simulation.workload import Workload

_TOPICS = {
    LOG: PARTITIONS,
    STATE: PARTITIONS,
    SENDS: PARTITIONS,
    DEAD_LETTERS: PARTITIONS,
    STATISTICS: PARTITIONS,
    ACKS: ACK_PARTITIONS,
}
# A fair run takes some hundreds.
_MOST_STEPS = 30_000
# A takeover, and the transactions that were in the way.
_FAIR_S = 10.0
# A call that is not answered, and what was built on it: the longest limit of a transaction's.
_CALL_S = 20.0


@dataclass(frozen=True)
class Scenario:
    """What happens by plan, and how many workers there are at first."""

    workload: Workload
    workers: int = 1


class World:
    """One run of *scenario* under *schedule*."""

    def __init__(self, scenario: Scenario, schedule: Schedule) -> None:
        self.scenario, self.schedule = scenario, schedule
        self.scheduler = Scheduler(schedule)
        self.broker = Broker(self.scheduler, PARTITIONS, _TOPICS)
        self.processes: dict[str, Process] = {}
        self.member_count = 0
        # Why processes ended that nobody killed.
        self.failures: list[BaseException] = []
        self._upstream = Upstream(self, scenario.workload)
        self.scheduler.add(Steps("supervisor", None, self._somebody_ended, self._bury))

    def run(self) -> World:
        """Run to the end: until nothing happens any more with all faults healed."""
        with seams.installed(self), mock.patch.object(engine, "_DRAIN_SLICE", 1):
            for _ in range(self.scenario.workers):
                self.join()
            self.scheduler.add(self._upstream)
            self._settle()
            self.schedule.healed = True
            for process in self._alive():
                process.stop()
            self._settle()
        return self

    @property
    def due(self) -> float:
        """When everything has to be folded, whatever happened."""
        return self._upstream.ended + self.scheduler.grace_s + _FAIR_S

    def _settle(self) -> None:
        self.scheduler.run(lambda: False, _MOST_STEPS)

    def _alive(self) -> list[Process]:
        return [process for process in self.processes.values() if not process.dead]

    def _start(self, name: str) -> None:
        process = self.processes[name] = Process(self, name)
        process.start()

    def join(self) -> None:
        """Let one more worker start."""
        self._start(f"w{len(self.processes) + 1}")

    def restart(self, process: Process, after_s: float) -> None:
        """Start another process in the place of one that died."""
        name, _, times = process.name.partition(".")
        following = f"{name}.{int(times or 0) + 1}"
        self.scheduler.add(_Restart(self, following, self.scheduler.now + after_s))

    def _somebody_ended(self) -> bool:
        return any(process.ended and not process.dead for process in self.processes.values())

    def _bury(self) -> None:
        for process in list(self.processes.values()):
            if process.ended and not process.dead:
                process.end()
                if process.failure is not None:
                    self.failures.append(process.failure)
                if not self.schedule.healed:
                    self.restart(process, 1.0)

    # What fakes ask.

    def choose(self, about: str, *faults: str) -> str:
        """Return one of *faults*, or nothing when all goes well."""
        chosen = self.schedule.choose(about, ("works", *faults))
        if chosen == "works":
            return ""
        self.broker.saw[chosen] += 1
        self.scheduler.grace_s += _CALL_S
        return chosen

    def call(self, process: Process, what: str, *faults: str) -> str:
        """Let a thread of *process* ask another machine for something."""
        self.scheduler.pause(what)
        return self.choose(f"{process.name} {what}", *faults)


class _Restart(Steps):
    """Starts a process at its time."""

    def __init__(self, world: World, name: str, at: float) -> None:
        def start() -> None:
            world.scheduler.remove(self)
            world._start(name)

        super().__init__(f"start of {name}", None, lambda: world.scheduler.now >= at, start)
        self._at = at

    def deadline(self) -> float:
        """As asked."""
        return self._at
