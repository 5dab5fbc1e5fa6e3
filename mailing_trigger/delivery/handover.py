"""One outlet with the patience it is treated with."""

from __future__ import annotations

import asyncio
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mailing_trigger.delivery.errors import Later, Refused, Unavailable
from mailing_trigger.delivery.settings import AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from mailing_trigger.delivery.message import Content, Send
    from mailing_trigger.delivery.outage import Outage
    from mailing_trigger.delivery.outlet import Outlet
    from mailing_trigger.delivery.settings import Patience


class Underway:
    """A message that is being delivered; *in_hand* while the other side may already have it."""

    def __init__(self) -> None:
        self.in_hand = False
        self.tries = 0

    @contextmanager
    def handing_over(self) -> Iterator[None]:
        """Mark the moments at which a message must not be abandoned."""
        self.in_hand = True
        try:
            yield
        finally:
            self.in_hand = False


class Handover:
    """Hands messages to *outlet*: each a few times, all when it takes anything at all."""

    def __init__(
        self,
        outlet: Outlet,
        outage: Outage,
        patience: Patience,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._outlet, self._outage = outlet, outage
        self._patience, self._sleep = patience, sleep
        # What waits here is not in hand: it can be left to a successor.
        self._room = asyncio.Semaphore(AT_ONCE)

    async def deliver(self, send: Send, content: Content, underway: Underway) -> None:
        """Return when the message is the other side's; Refused or Later when it never will be."""
        while True:
            underway.tries += 1
            try:
                await self._once(send, content, underway)
            except Later:
                if underway.tries >= self._patience.tries:
                    raise
            else:
                return
            await self._sleep(self._pause_s(underway.tries))

    async def close(self) -> None:
        """Close the outlet."""
        await self._outlet.close()

    async def _once(self, send: Send, content: Content, underway: Underway) -> None:
        """Try until the outlet has said something about this message."""
        async with self._room:
            while True:
                await self._outage.wait()
                try:
                    with underway.handing_over():
                        await self._outlet.deliver(send, content)
                except Unavailable as exc:
                    self._outage.failed(exc)
                    continue
                except (Refused, Later):
                    self._outage.over()
                    raise
                self._outage.over()
                return

    def _pause_s(self, tries: int) -> float:
        patience = self._patience
        longest = min(patience.first_pause_s * 2.0 ** (tries - 1), patience.longest_pause_s)
        return random.uniform(0.5, 1.0) * longest  # noqa: S311 - not a secret
