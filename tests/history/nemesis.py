"""Which fault when: a seed decides, and both ends of each fault stand in the history."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streams.embedded.errors import BrokerError
from tests.history.faults import FAULTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.history.record import History
    from tests.history.system import System


HOLD_S = (1.0, 5.0)


@dataclass(slots=True)
class Nemesis:
    """Breaks parts of *system*, one fault after the other; *first* come before any by chance."""

    system: System
    history: History
    seed: object
    names: Sequence[str] = tuple(FAULTS)
    first: Sequence[str] = ()
    pause_s: tuple[float, float] = (0.5, 3.0)
    done: Counter[str] = field(default_factory=Counter)
    # Faults that did not come about, such as a point that nobody passed in time.
    failed: Counter[str] = field(default_factory=Counter)

    async def rage(self, seconds: float) -> None:
        """Cause the first faults, then any, until *seconds* are over."""
        rng = random.Random(f"{self.seed} nemesis")
        first = list(self.first)
        rng.shuffle(first)
        until = time.monotonic() + seconds
        while first or (self.names and time.monotonic() < until):
            name = first.pop() if first else rng.choice(self.names)
            await asyncio.sleep(rng.uniform(*self.pause_s))
            await self._cause(name, rng)

    async def _cause(self, name: str, rng: random.Random) -> None:
        fault = FAULTS[name](self.system, rng)
        hold_s = rng.uniform(*getattr(fault, "hold_s", HOLD_S))
        self.history.write("begin", f=name)
        error = ""
        try:
            await asyncio.to_thread(fault.begin)
            self.history.write("hold", f=name)
            await asyncio.sleep(hold_s)
        except (AssertionError, BrokerError) as exc:
            error = str(exc)
        try:
            await asyncio.to_thread(fault.end)
        except AssertionError as exc:
            error = error or str(exc)
        except BrokerError:
            # It took its time on a busy machine; without a broker there is nothing to judge.
            await asyncio.to_thread(fault.end)
        self.history.write("end", f=name, error=error)
        (self.failed if error else self.done)[name] += 1
