"""`worker --processes N`: N processes side by side, each restarted when it dies, within limits."""

from __future__ import annotations

import logging
import random
import signal
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailing_trigger import children
from mailing_trigger.errors import NoBroker, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

log = logging.getLogger("mailing_trigger.processes")

# A worker that meets a broker which is being restarted dies and recovers within a minute; one that
# dies five times in two minutes will not be helped by a sixth start.
DEATHS = 5
DEATHS_WITHIN_S = 120.0
# A start that finds no broker ends after 20 s, on a slow machine a little later: what lives for
# longer has found one, and its address is right.
SERVED_AFTER_S = 60.0
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 20.0
LOOK_EVERY_S = 0.1
STOP_WITHIN_S = 8.0
GAVE_UP = 1
_DOUBLINGS = 16  # beyond any limit, and far from what a float cannot hold


@dataclass(slots=True)
class _Place:
    """One of the N: its child, or when the next one starts."""

    name: str
    child: children.Child | None = None
    start_at: float = 0.0
    started_at: float = 0.0
    served: bool = False
    in_vain: int = 0
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=DEATHS))

    def look(self, now: float) -> None:
        """Note that the child has served, when it has lived for long enough."""
        if now - self.started_at >= SERVED_AFTER_S:
            self.served, self.in_vain = True, 0

    def next_delay_s(self, now: float) -> float | None:
        """Note a death and return the pause until the next start; None after one too many."""
        self.deaths.append(now)
        recent = [at for at in self.deaths if now - at < DEATHS_WITHIN_S]
        return None if len(recent) >= DEATHS else _pause_s(len(recent))

    def next_try_s(self) -> float:
        """Note a start that found no broker and return the pause until the next one."""
        self.in_vain += 1
        return _pause_s(self.in_vain)


def _pause_s(times: int) -> float:
    longest = min(LONGEST_DELAY_S, FIRST_DELAY_S * float(2 ** min(times - 1, _DOUBLINGS)))
    # Jitter, so that N processes which one cause has ended do not all come back at once.
    return random.uniform(0.5, 1.0) * longest  # noqa: S311 - not a secret


def run(argv: Sequence[str], env: Mapping[str, str], *, count: int) -> int:
    """Keep *count* processes of *argv* running until SIGTERM or SIGINT; return the exit status."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    places = [_Place(f"worker process {number}") for number in range(1, count + 1)]
    try:
        while not stop.wait(LOOK_EVERY_S):
            for place in places:
                served = any(each.served for each in places)
                if not _look_after(place, argv, env, served=served):
                    return GAVE_UP
        return 0
    finally:
        _stop_all([place.child for place in places if place.child is not None])
        for number, handler in before.items():
            signal.signal(number, handler)


def _look_after(
    place: _Place, argv: Sequence[str], env: Mapping[str, str], *, served: bool
) -> bool:
    """Start, restart or leave alone; return False when there is no hope.

    *served* is whether any of the processes has.
    """
    now = time.monotonic()
    if place.child is None:
        if now >= place.start_at:
            place.child, place.started_at = children.start(place.name, argv, env), now
        return True
    status = place.child.process.returncode if place.child.died() else None
    if status != NoBroker.exit_code:
        place.look(now)
    if status is None:
        return True
    delay_s = _after_end(place, status, now, served=served)
    if delay_s is None:
        return False
    place.child, place.start_at = None, now + delay_s
    return True


def _after_end(place: _Place, status: int, now: float, *, served: bool) -> float | None:
    """Say how it ended; return the pause until its next start, or None when there is no hope."""
    if status == NoBroker.exit_code and served:
        # Brokers that have been there come back, and nobody should have to start us then.
        pause_s = place.next_try_s()
        log.warning("%s found no broker; trying again in %.1f s", place.name, pause_s)
        return pause_s
    # No later start reads other settings.
    delay_s = None if status == SettingsError.exit_code else place.next_delay_s(now)
    how = f"{place.name} ended by itself ({children.ended(status)})"
    if delay_s is None:
        log.error("%s, and starting it again would not help: its own last line says why", how)
    else:
        log.warning("%s; starting it again in %.1f s", how, delay_s)
    return delay_s


def _stop_all(running: Sequence[children.Child]) -> None:
    """End all at once, so that the wait is the slowest one's and not the sum."""
    deadline = time.monotonic() + STOP_WITHIN_S
    for child in running:
        if not child.died():
            child.process.terminate()
    for child in running:
        if not child.wait(within_s=deadline - time.monotonic()):
            log.warning("%s did not end within %s s and was killed", child.name, STOP_WITHIN_S)
