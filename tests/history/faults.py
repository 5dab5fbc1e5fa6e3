"""What can go wrong on one machine. A fault has a name, a beginning and an end.

`FAULTS` has those of processes by name, each a function from a `System` and a `random.Random` to an
object with `name`, `begin` and `end`; more are in `faults_state` and `faults_network`. `begin` and
`end` run on a thread and may wait; after `end` the fault's cause is gone, and everything has to be
well again by itself. `hold_s`, where a fault has it, is the least and the most seconds between the
two.
"""

from __future__ import annotations

import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from tests.support.wait import eventually
from tests.support.worker import SESSION_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.history.system import Place, System
    from tests.support.processes import Running

_POINT_WITHIN_S = 40.0
_BURSTS = 3
_TAKEN_OVER = re.compile(r"partition (\d+) taken over")


class Fault(Protocol):
    """Something that goes wrong, from `begin` to `end`."""

    @property
    def name(self) -> str: ...

    def begin(self) -> None: ...

    def end(self) -> None: ...


FAULTS: dict[str, Callable[[System, Random], Fault]] = {}


def named(*makes: type) -> dict[str, Callable[[System, Random], Fault]]:
    """Return faults' classes by their names."""
    return {make.name: make for make in makes}  # type: ignore[attr-defined]


def register(make: type) -> type:
    """Let the nemesis know a fault."""
    FAULTS.update(named(make))
    return make


class _OfAWorker:
    """A fault of one of the standing workers."""

    hold_s: tuple[float, float] = (0.5, 5.0)

    def __init__(self, system: System, rng: Random) -> None:
        self.place: Place = rng.choice(system.workers)

    def end(self) -> None:
        self.place.start()


@register
class KillWorker(_OfAWorker):
    """`kill -9`; shorter or longer than its session."""

    name = "kill worker"

    def begin(self) -> None:
        self.place.kill()


@register
class StopWorker(_OfAWorker):
    """An orderly stop, as an update does."""

    name = "stop worker"

    def begin(self) -> None:
        self.place.stop()


@register
class PauseWorker(_OfAWorker):
    """Frozen past its session, and awake again: it thinks it still has its partitions."""

    name = "pause worker"
    hold_s = (SESSION_S + 1.0, 2 * SESSION_S + 2.0)

    def begin(self) -> None:
        if self.place.process is not None:
            self.place.process.pause()

    def end(self) -> None:
        if self.place.process is not None:
            self.place.process.resume()


@register
class KillAllWorkers:
    """Every worker at once."""

    name = "kill all workers"
    hold_s = (0.5, 2.0)

    def __init__(self, system: System, _: Random) -> None:
        self._workers = system.workers

    def begin(self) -> None:
        for place in self._workers:
            place.kill()

    def end(self) -> None:
        for place in self._workers:
            place.start()


@register
class KillBridge:
    """`kill -9` of the bridge: its callers are cut off."""

    name = "kill bridge"
    hold_s = (0.5, 3.0)

    def __init__(self, system: System, _: Random) -> None:
        self._bridge = system.bridge

    def begin(self) -> None:
        self._bridge.kill()

    def end(self) -> None:
        self._bridge.start()


@register
class PauseBridge:
    """The bridge is frozen; what it sent before is answered to nobody."""

    name = "pause bridge"
    hold_s = (1.0, 8.0)

    def __init__(self, system: System, _: Random) -> None:
        self._bridge = system.bridge

    def begin(self) -> None:
        if self._bridge.process is not None:
            self._bridge.process.pause()

    def end(self) -> None:
        if self._bridge.process is not None:
            self._bridge.process.resume()


@register
class KillBroker:
    """`kill -9` of the broker, and a start on the same data."""

    name = "kill broker"
    hold_s = (0.5, 4.0)

    def __init__(self, system: System, _: Random) -> None:
        self._broker = system.broker

    def begin(self) -> None:
        self._broker.kill()

    def end(self) -> None:
        self._broker.start()


@register
class StopBroker(KillBroker):
    """An orderly restart of the broker."""

    name = "stop broker"

    def begin(self) -> None:
        self._broker.stop()


@register
class PauseBroker:
    """The broker stands still, as in a long collection of garbage."""

    name = "pause broker"
    hold_s = (1.0, 8.0)

    def __init__(self, system: System, _: Random) -> None:
        self._system = system

    def begin(self) -> None:
        self._system.signal_broker(signal.SIGSTOP)

    def end(self) -> None:
        self._system.signal_broker(signal.SIGCONT)


@register
class Rebalances:
    """Workers join, and leave as soon as they have something, in good order or not."""

    name = "rebalance storm"
    hold_s = (0.5, 1.0)

    def __init__(self, system: System, rng: Random) -> None:
        self._system = system
        self._kills = [rng.random() < 0.5 for _ in range(rng.randint(3, 4))]
        self._extra: list[Running] = []

    def begin(self) -> None:
        for kills in self._kills:
            self._extra.append(self._system.start_worker())
            if len(self._extra) > 1:
                leaving = self._extra.pop(0)
                with suppress(AssertionError):
                    eventually(
                        lambda it=leaving: not it.running() or "taken over" in it.output(),
                        within_s=10,
                    )
                if kills:
                    leaving.kill()
                else:
                    _end(leaving)

    def end(self) -> None:
        for worker in self._extra:
            _end(worker)


class _AtAPoint:
    """One more worker joins, and ends or freezes where its order says (see `points`)."""

    point: ClassVar[str]
    hold_s: tuple[float, float] = (0.2, 1.0)
    most = 12

    def __init__(self, system: System, rng: Random) -> None:
        self._system = system
        self._order = f"{self.point}:{rng.randint(1, self.most)}:kill"
        self._worker: Running | None = None

    def begin(self) -> None:
        self._worker = worker = self._system.start_worker(self._order)
        eventually(lambda: not worker.running(), within_s=_POINT_WITHIN_S)

    def end(self) -> None:
        if self._worker is not None:
            self._worker.kill()


@register
class KillBeforeCommit(_AtAPoint):
    """Dies with a transaction written and not committed."""

    name = "kill between produce and commit"
    point = "before-commit"


@register
class KillAfterCommit(_AtAPoint):
    """Dies when a transaction is committed and nobody here knows yet."""

    name = "kill after commit"
    point = "after-commit"


@register
class KillAfterReply(_AtAPoint):
    """Dies when callers were answered and nothing else was written."""

    name = "kill between answer and transaction"
    point = "after-reply"


@register
class KillInDrain(_AtAPoint):
    """Dies with the sends of an invocation written and not committed."""

    name = "kill during an invocation"
    point = "in-drain"
    most = 3


@register
class KillInRestore(_AtAPoint):
    """Dies while it reads a changelog."""

    name = "kill during restore"
    point = "in-restore"
    most = 2


@register
class KillBetweenSlices(_AtAPoint):
    """Dies when a part of an invocation is sent, and committed, and the rest is not."""

    name = "kill between two slices of an invocation"
    point = "between-slices"
    most = 1

    def begin(self) -> None:
        self._worker = worker = self._system.start_worker(self._order)
        eventually(lambda: _TAKEN_OVER.search(worker.output()), within_s=_POINT_WITHIN_S)
        for _ in range(_BURSTS):
            # Partitions may have moved on since.
            partition = int(_TAKEN_OVER.findall(worker.output())[-1])
            self._system.burst(partition)
            with suppress(AssertionError):
                eventually(lambda: not worker.running(), within_s=_POINT_WITHIN_S / _BURSTS)
                return
        raise AssertionError("no invocation took several transactions")


@register
class Zombie(_AtAPoint):
    """Freezes with a transaction open, loses its partitions, wakes up and wants to commit."""

    name = "zombie with an open transaction"
    point = "before-commit"
    # What it says when it has found out.
    waking = "transaction not committed"
    hold_s = (SESSION_S + 2.0, SESSION_S + 5.0)

    def __init__(self, system: System, rng: Random) -> None:
        super().__init__(system, rng)
        self._order = self._order.replace("kill", "freeze")

    def begin(self) -> None:
        self._worker = worker = self._system.start_worker(self._order)
        eventually(lambda: _is_frozen(worker), within_s=_POINT_WITHIN_S)

    def end(self) -> None:
        worker = self._worker
        if worker is None:
            return
        worker.resume()
        # What it says on waking is evidence.
        eventually(
            lambda: not worker.running() or self.waking in worker.output(),
            within_s=_POINT_WITHIN_S,
        )
        _end(worker)


@register
class ZombieInRestore(Zombie):
    """Freezes while it reads a changelog, and its partitions go to others meanwhile."""

    name = "frozen during restore"
    point = "in-restore"
    most = 2
    waking = " lost"


def _end(worker: Running) -> None:
    """End a worker that need not be there any more: asked first, then made to."""
    if worker.running():
        try:
            worker.stop(within_s=30)
        except subprocess.TimeoutExpired:
            worker.kill()


def _is_frozen(worker: Running) -> bool:
    if not worker.running():
        return True
    status = Path(f"/proc/{worker.pid}/stat").read_text("ascii")
    return status.rpartition(")")[2].split()[0] == "T"
