"""Who runs next: threads, event loops, networks and brokers as actors of one real thread.

A thread of the worker is a greenlet. It runs until it calls something that would wait, or that
another machine would see: there it hands over, and the schedule decides. Time stands still while
somebody can run and jumps to the next deadline when nobody can.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from greenlet import getcurrent, greenlet

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.schedule import Schedule

NEVER = float("inf")


class Gone(BaseException):
    """The process of whoever sees this was killed; not an Exception, for nobody handles it."""


class Host(Protocol):
    """Whose actors may be paused, and what may happen to it at a step."""

    name: str
    paused_until: float

    def faults(self, actor: Actor) -> tuple[str, ...]:
        """Return what may happen instead of a step of *actor*."""

    def suffer(self, fault: str) -> None:
        """Let *fault* happen."""

    def stepped(self, actor: Actor) -> None:
        """Hear that *actor* is about to take a step."""


class Actor:
    """Somebody who takes steps; *host* is what its steps belong to, None for the world's."""

    # Whether its wait may end later than asked without anybody being the wiser.
    lazy: Callable[[], bool] | None = None
    # How long a step may be put off, to be late for whoever waits for it.
    stall_s = 2.0
    # How long it may hang, so that whoever waits for it gives it up; 0: nobody does.
    hang_s = 0.0

    def __init__(self, name: str, host: Host | None = None) -> None:
        self.name = name
        self.host = host
        self.held_until = 0.0
        self.held = False

    def ready(self, now: float) -> bool:
        """Whether it can take a step now."""
        raise NotImplementedError

    def deadline(self) -> float:
        """When it can take a step at the latest, if nothing else happens."""
        return NEVER

    def step(self) -> None:
        """Take a step."""
        raise NotImplementedError


class Steps(Actor):
    """An actor made of two functions."""

    def __init__(
        self, name: str, host: Host | None, ready: Callable[[], bool], step: Callable[[], None]
    ) -> None:
        super().__init__(name, host)
        self._is_ready, self._take = ready, step

    def ready(self, now: float) -> bool:
        """As given."""
        return self._is_ready()

    def step(self) -> None:
        """As given."""
        self._take()


class Thread(Actor):
    """A greenlet in the place of a thread."""

    def __init__(
        self, name: str, host: Host | None, target: Callable[[], None], hub: greenlet
    ) -> None:
        super().__init__(name, host)
        # Whoever starts it, it hands over to the scheduler.
        self._greenlet = greenlet(self._run, hub)
        self._target = target
        self._until: Callable[[], bool] | None = None
        self._deadline = NEVER
        self.what = "begins"
        self.done = False

    def _run(self) -> None:
        try:
            self._target()
        except Gone:
            pass
        finally:
            self.done = True

    def ready(self, now: float) -> bool:
        """Whether what it waits for is there, or its time is over."""
        return self._until is None or now >= self._deadline or self._until()

    def deadline(self) -> float:
        """When its wait ends."""
        return self._deadline

    def step(self) -> None:
        """Run to the next wait."""
        self._greenlet.switch()

    def wait(self, until: Callable[[], bool] | None, deadline: float, what: str) -> bool:
        """Hand over until *until* is true; return whether it was, before *deadline*."""
        assert getcurrent() is self._greenlet
        self._until, self._deadline, self.what = until, deadline, what
        parent = self._greenlet.parent
        assert parent is not None
        parent.switch()
        return until is None or until()

    def kill(self) -> None:
        """End where it is; what it would still do has no effect any more."""
        if self._greenlet and not self.done:
            self._greenlet.throw(Gone)
        self.done = True


class Stuck(AssertionError):
    """Everybody waits for ever, or runs for ever."""


class Scheduler:
    """Takes one step after the other, each by the actor that waited longest for its turn."""

    def __init__(self, schedule: Schedule, start: float = 1000.0) -> None:
        self.schedule = schedule
        self.now = start
        self.current: Actor | None = None
        self.steps = 0
        # How long all that was done to the workers may keep them from their work.
        self.grace_s = 0.0
        self._hub = getcurrent()
        self._actors: deque[Actor] = deque()

    def start(self, name: str, host: Host | None, target: Callable[[], None]) -> Thread:
        """Begin a thread."""
        thread: Thread = self.add(Thread(name, host, target, self._hub))
        return thread

    def add(self, actor: Any) -> Any:
        """Let *actor* take part."""
        self._actors.append(actor)
        return actor

    def of(self, host: Host) -> list[Actor]:
        """Return the actors of *host*."""
        return [actor for actor in self._actors if actor.host is host]

    def remove(self, actor: Actor) -> None:
        """Let *actor* not take part any more."""
        if actor in self._actors:
            self._actors.remove(actor)

    def _free(self, actor: Actor) -> bool:
        host = actor.host
        return actor.held_until <= self.now and (host is None or host.paused_until <= self.now)

    def _next(self) -> Actor | None:
        held = None
        for actor in self._actors:
            if self._free(actor) and actor.ready(self.now):
                if not actor.held:
                    return actor
                held = held or actor
        if held is not None:
            # Everybody else waits for it, or for time to pass.
            held.held = False
        return held

    def run(self, until: Callable[[], bool], limit: int = 20_000) -> bool:
        """Take steps until *until* holds, or nothing happens any more; return whether it holds."""
        end = self.steps + limit
        while not until():
            if self.steps >= end:
                raise Stuck(f"no end after {limit} steps; at work: {self._waiting()}")
            actor = self._next()
            if actor is not None:
                self._step(actor)
            elif not self._advance():
                return False
        return True

    def _step(self, actor: Actor) -> None:
        self._actors.remove(actor)
        self._actors.append(actor)
        self.steps += 1
        what = getattr(actor, "what", "")
        faults = actor.host.faults(actor) if actor.host is not None else ()
        late = ("hold", "stall", "hang") if actor.hang_s else ("hold", "stall")
        chosen = self.schedule.choose(f"{actor.name} {what}", ("run", *late, *faults))
        if chosen == "hold":
            actor.held = True
        elif chosen in {"stall", "hang"}:
            late_s = actor.stall_s if chosen == "stall" else actor.hang_s
            actor.held_until = self.now + late_s
            self.grace_s += late_s
        elif chosen != "run":
            assert actor.host is not None
            actor.host.suffer(chosen)
        else:
            self.current = actor
            if actor.host is not None:
                actor.host.stepped(actor)
            try:
                actor.step()
            finally:
                self.current = None
            if isinstance(actor, Thread) and actor.done:
                self.remove(actor)

    def _advance(self) -> bool:
        """Let time pass to where somebody can run; False when nobody ever will."""
        strict = lazy = NEVER
        for actor in self._actors:
            host = actor.host
            paused = max(actor.held_until, host.paused_until if host is not None else 0)
            if paused > self.now:
                strict = min(strict, paused)
            elif actor.lazy is not None and actor.lazy():
                lazy = min(lazy, actor.deadline())
            else:
                strict = min(strict, actor.deadline())
        if strict == NEVER:
            # Polls alone, of those with nothing to do: they would go on so for ever.
            return False
        self.now = max(self.now, strict)
        return True

    def _waiting(self) -> str:
        return ", ".join(f"{a.name} {getattr(a, 'what', '')}" for a in list(self._actors)[-8:])

    # What the greenlets call.

    def wait(
        self,
        until: Callable[[], bool] | None,
        timeout: float | None,
        what: str,
        *,
        lazy: Callable[[], bool] | None = None,
    ) -> bool:
        """Hand over until *until* is true; return whether it was, within *timeout* seconds."""
        thread = self.current
        assert isinstance(thread, Thread), f"{thread and thread.name} must not wait: {what}"
        thread.lazy = lazy
        found = thread.wait(until, NEVER if timeout is None else self.now + timeout, what)
        thread.lazy = None
        return found

    def pause(self, what: str) -> None:
        """Let others run: here another machine is asked for something."""
        self.wait(None, 0, what)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        if seconds > 0:
            self.wait(lambda: False, seconds, f"sleeps {seconds:.3f} s")
