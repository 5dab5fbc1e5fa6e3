"""Where all processes of a run make their calls, and what they share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator, Sequence

    import httpx

    from producers.client import TriggerClient
    from tests.history.record import History
    from tests.history.told import Told


@dataclass(slots=True)
class Desk:
    """Numbers of processes and calls are given once; *history* has every call, and its end."""

    history: History
    seed: object
    http: httpx.AsyncClient
    direct: Sequence[TriggerClient]
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _processes: Iterator[int] = field(default_factory=count)
    _calls: Iterator[int] = field(default_factory=count)

    def process(self) -> int:
        """Return the number of a process that has made no call."""
        return next(self._processes)

    def call(self) -> int:
        """Return the number of a call that nobody has made."""
        return next(self._calls)

    async def make(
        self,
        process: int,
        number: int,
        f: str,
        way: str,
        asking: Awaitable[Told],
        *,
        org: int,
        mid: int = 0,
        **said: object,
    ) -> Told:
        """Make a call about a mailing or a recipient, and return how it ended."""
        place = {"process": process, "call": number, "f": f}
        self.history.write("invoke", way=way, org=org, mid=mid, said=said, **place)
        told = await asking
        self.history.write(
            told.type, status=told.status, error=told.error, shown=dict(told.shown), **place
        )
        return told

    async def sleep(self, seconds: float) -> None:
        """Wait so long, or until everybody is to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return
