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

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

log = logging.getLogger("mailing_trigger.processes")

# A worker that meets a broker which is being restarted dies and recovers within a minute; one that
# dies five times in two minutes will not be helped by a sixth start.
DEATHS = 5
DEATHS_WITHIN_S = 120.0
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 20.0
LOOK_EVERY_S = 0.1
STOP_WITHIN_S = 8.0
GAVE_UP = 1
WRONG_SETTINGS = 2  # no later start reads others


@dataclass(slots=True)
class _Place:
    """One of the N: its child, or when the next one starts."""

    name: str
    child: children.Child | None = None
    start_at: float = 0.0
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=DEATHS))

    def next_delay_s(self, now: float) -> float | None:
        """Note a death and return the pause until the next start; None after one too many."""
        self.deaths.append(now)
        recent = [at for at in self.deaths if now - at < DEATHS_WITHIN_S]
        if len(recent) >= DEATHS:
            return None
        longest = min(LONGEST_DELAY_S, FIRST_DELAY_S * float(2 ** (len(recent) - 1)))
        # Jitter, so that N processes which one cause has killed do not all come back at once.
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
                if not _look_after(place, argv, env):
                    return GAVE_UP
        return 0
    finally:
        _stop_all([place.child for place in places if place.child is not None])
        for number, handler in before.items():
            signal.signal(number, handler)


def _look_after(place: _Place, argv: Sequence[str], env: Mapping[str, str]) -> bool:
    """Start, restart or leave alone; return False when there is no hope."""
    now = time.monotonic()
    if place.child is None:
        if now >= place.start_at:
            place.child = children.start(place.name, argv, env)
        return True
    if not place.child.died():
        return True
    status = place.child.process.returncode
    delay_s = None if status == WRONG_SETTINGS else place.next_delay_s(now)
    how = f"{place.name} ended by itself ({children.ended(status)})"
    if delay_s is None:
        log.error("%s, and starting it again would not help: its own last line says why", how)
        return False
    log.warning("%s; starting it again in %.1f s", how, delay_s)
    place.child, place.start_at = None, now + delay_s
    return True


def _stop_all(running: Sequence[children.Child]) -> None:
    """End all at once, so that the wait is the slowest one's and not the sum."""
    deadline = time.monotonic() + STOP_WITHIN_S
    for child in running:
        if not child.died():
            child.process.terminate()
    for child in running:
        if not child.wait(within_s=deadline - time.monotonic()):
            log.warning("%s did not end within %s s and was killed", child.name, STOP_WITHIN_S)
