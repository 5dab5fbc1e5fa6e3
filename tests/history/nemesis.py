"""Which fault when: a seed decides, and both ends of each fault stand in the history.

There are two hands: one breaks what runs and what is kept, the other spoils the network meanwhile.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streams.embedded.errors import BrokerError
from tests.history import faults, faults_network, faults_state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.history.faults import Fault
    from tests.history.record import History
    from tests.history.system import System


FAULTS: dict[str, Callable[[System, random.Random], Fault]] = {
    **faults.FAULTS,
    **faults_state.FAULTS,
    **faults_network.FAULTS,
}
HOLD_S = (1.0, 5.0)
_PAUSE_S = (0.3, 2.0)
# The network is well for most of the time, or little would be asked for at all.
_NETWORK_PAUSE_S = (3.0, 8.0)


@dataclass(slots=True)
class Nemesis:
    """Breaks parts of *system*, one fault a hand at a time; *first* come before any by chance."""

    system: System
    history: History
    seed: object
    names: Sequence[str] = tuple(FAULTS)
    first: Sequence[str] = ()
    done: Counter[str] = field(default_factory=Counter)
    # Faults that did not come about, such as a point that nobody passed in time.
    failed: Counter[str] = field(default_factory=Counter)

    async def rage(self, seconds: float) -> None:
        """Cause the first faults, then any, until *seconds* are over."""
        until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as hands:
            hands.create_task(self._hand(until, _PAUSE_S, network=False))
            hands.create_task(self._hand(until, _NETWORK_PAUSE_S, network=True))

    async def _hand(self, until: float, pause_s: tuple[float, float], *, network: bool) -> None:
        def mine(names: Sequence[str]) -> list[str]:
            return [name for name in names if (name in faults_network.FAULTS) == network]

        rng = random.Random(f"{self.seed} nemesis {network}")
        first, names = mine(self.first), mine(self.names)
        rng.shuffle(first)
        while first or (names and time.monotonic() < until):
            name = first.pop() if first else rng.choice(names)
            await asyncio.sleep(rng.uniform(*pause_s))
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
