"""An outlet that takes nothing: all its messages wait together, longer the longer it lasts."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING

from mailing_trigger.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mailing_trigger.delivery.errors import Unavailable

log = logging.getLogger("mailing_trigger.deliver")

_FIRST_S = 0.5
_LONGEST_S = 30.0


class Outage:
    """Keeps messages from the outlet *name* while it is out, for *limit_s* at most.

    *now* is a monotonic clock in seconds.
    """

    def __init__(
        self,
        name: str,
        limit_s: float,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._name, self._limit_s = name, limit_s
        self._now, self._sleep = now, sleep
        self._since: float | None = None

    async def wait(self) -> None:
        """Return at once when all is well, else after about as long as it has been out already."""
        if self._since is not None:
            lasted = self._now() - self._since
            longest = min(max(lasted, _FIRST_S), _LONGEST_S)
            await self._sleep(random.uniform(0.5, 1.0) * longest)  # noqa: S311 - not a secret

    def failed(self, exc: Unavailable) -> None:
        """Note that nothing was taken; raises when it has been so for too long."""
        now = self._now()
        if self._since is None:
            self._since = now
            log.warning("the %s takes nothing (%s): everything waits", self._name, exc.reason)
        elif now - self._since > self._limit_s:
            raise CommandError(
                f"the {self._name} has taken nothing for {self._limit_s / 60:.0f} minutes "
                f"({exc.reason}): put it right and start again; nothing is lost"
            )

    def over(self) -> None:
        """Note that the outlet answers."""
        if self._since is not None:
            log.warning("the %s answers again", self._name)
            self._since = None
