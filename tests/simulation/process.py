"""One worker process: the shipped engine on a simulated loop, and what may befall it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.framing import Framing
from streams.worker.engine import Engine
from streams.worker.settings import WorkerSettings
from tests.simulation.scheduler import Actor, Gone, Thread
from tests.simulation.threads import SimLoop

if TYPE_CHECKING:
    from tests.simulation.consumer import SimConsumer
    from tests.simulation.producer import SimProducer
    from tests.simulation.world import World

SESSION_S = 6.0
_LASTS_S = {
    # Past the session, and past the transaction's timeout as well.
    "zombie": 8.0,
    "long zombie": 40.0,
    # Started again before its session is over, and after another has taken over.
    "crash": 1.0,
    "crash, writes arrive late": 10.0,
}
FRAMING = Framing()


class Process:
    """A worker from its start to its end; *name* is what it takes for its broker's address."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.paused_until = 0.0
        self.was_paused = False
        self.dead = self.stopping = self.ended = False
        # Grows with each step of its own that is not one more look for something to do.
        self.worked = 0
        # Whether it did anything that is seen outside of its loop since a fault was offered.
        self.changed = True
        self.members: list[SimConsumer] = []
        self.producers: list[SimProducer] = []
        self.acks_since_commit = 0
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Start the worker."""
        settings = WorkerSettings(bootstrap_servers=self.name, session_timeout_s=SESSION_S)
        self.engine = Engine(
            settings,
            FRAMING,
            f"tx-{self.name}",
            resolve=lambda _: False,
            on_failure=self._failed,
        )
        self.loop = SimLoop(self, self.world.scheduler)
        self.world.scheduler.add(self.loop)
        self._tasks = [self.loop.create_task(self._main())]

    async def _main(self) -> None:
        try:
            await self.engine.start()
            await self.engine.run()
        except Exception as exc:  # noqa: BLE001 - what the app does: the process ends
            self._failed(exc)

    async def _stop(self) -> None:
        try:
            await self.engine.stop()
        except Exception as exc:  # noqa: BLE001 - as above
            self._failed(exc)
        self.ended = True

    def _failed(self, error: BaseException) -> None:
        self.failure = error
        self.ended = True
        if isinstance(self.world.scheduler.current, Thread):
            raise Gone

    # What the scheduler asks.

    def faults(self, actor: Actor) -> tuple[str, ...]:
        """Return what may happen instead of a step of *actor*."""
        if not self.changed:
            # What the loop does for itself alone makes no difference to whoever loses it.
            return ()
        self.changed = False
        found = ["crash", "zombie", "long zombie"]
        if any(producer.undelivered() for producer in self.producers):
            found.append("crash, writes arrive late")
        if self.engine.running and not self.stopping:
            found.append("stop")
        return tuple(found)

    def suffer(self, fault: str) -> None:
        """Let *fault* happen."""
        self.world.broker.saw[fault] += 1
        scheduler = self.world.scheduler
        if fault != "stop":
            scheduler.grace_s += SESSION_S + _LASTS_S[fault]
        if "zombie" in fault:
            self.paused_until = scheduler.now + _LASTS_S[fault]
            self.was_paused = True
            for member in self.members:
                member.silence(self.paused_until)
        elif fault == "stop":
            self.stop()
        else:
            self._note_crash()
            self.end(arrive_late=fault != "crash")
            self.world.restart(self, _LASTS_S[fault])

    def stepped(self, actor: Actor) -> None:
        """Hear that *actor* is about to take a step."""
        if getattr(actor, "what", "") != "polls":
            self.worked += 1
        if actor is not self.loop:
            self.changed = True
        for member in self.members:
            member.wake()

    def stop(self) -> None:
        """Stop in an orderly way."""
        self.stopping = True
        self._tasks.append(self.loop.create_task(self._stop()))

    def end(self, *, arrive_late: bool = False) -> None:
        """Be gone; what was queued is lost, or arrives when nobody expects it."""
        self.dead = True
        scheduler = self.world.scheduler
        for member in self.members:
            self.world.broker.group.silent(member.memberid(), scheduler.now + SESSION_S)
        if arrive_late:
            for producer in self.producers:
                producer.ghost()
        for actor in scheduler.of(self):
            scheduler.remove(actor)
            if isinstance(actor, Thread):
                actor.kill()
        self.loop.forget()

    def _note_crash(self) -> None:
        saw = self.world.broker.saw
        if any(p.open is not None and p.open.places for p in self.producers):
            saw["crash between produce and commit"] += 1
        if self.acks_since_commit:
            saw["crash between acks and commit"] += 1
        if any(owned.fold.state.drains for owned in self.engine.owned.values()):
            saw["drain slice interrupted"] += 1
        if self.restoring:
            saw["crash during restore"] += 1

    @property
    def restoring(self) -> bool:
        """Whether a partition is being taken over."""
        return any(a.name.endswith(" restore") for a in self.world.scheduler.of(self))
