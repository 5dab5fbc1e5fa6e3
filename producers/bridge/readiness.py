"""Whether calls would be answered now: by recent answers, or by asking through the log."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from producers.bridge.failures import as_problem
from producers.bridge.problems import Problem
from producers.errors import ClientError, NotAcknowledged

if TYPE_CHECKING:
    from collections.abc import Callable

    from producers.bridge.ports import Client

# An answer this young is proof enough; so is a probe's result, good or bad.
FRESH_S = 1.0
PROBE_S = 2.0
# Any organisation will do: every partition answers a query, with an empty list if need be.
PROBE_ORGID = 1


class Readiness:
    """The last proof that log and processor answer, and the way to a new one."""

    def __init__(self, client: Client, *, now: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._now = now
        self._answered_at = float("-inf")
        self._probed_at = float("-inf")
        self._problem: Problem | None = None
        self._probing = asyncio.Lock()

    def answered(self) -> None:
        """Note that the processor has just answered a call in full."""
        self._answered_at = self._now()

    async def check(self) -> None:
        """Return if calls are being answered; raise the 503 that names what does not answer."""
        async with self._probing:
            if self._now() - self._answered_at < FRESH_S:
                return
            if self._now() - self._probed_at >= FRESH_S:
                self._problem = await self._probe()
                self._probed_at = self._now()
        if self._problem is not None:
            raise self._problem

    async def _probe(self) -> Problem | None:
        try:
            async with asyncio.timeout(PROBE_S):
                await self._client.mailings(PROBE_ORGID, 0, 1)
        except (TimeoutError, NotAcknowledged):
            detail = f"the processor does not answer: no worker replied within {PROBE_S:g} s"
            return Problem(503, "PROCESSOR_UNAVAILABLE", detail, members={"part": "processor"})
        except ClientError as exc:
            problem = as_problem(exc)
            return Problem(503, problem.code, problem.detail, members={"part": "log"})
        return None
