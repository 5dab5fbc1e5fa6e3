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

# An answer this young is proof enough; so is a question's result, good or bad.
FRESH_S = 1.0
# Whoever asks for readiness hears something within this. A question to a log that is down takes
# longer, as long as the client's own timeout, and then tells which part it was.
PATIENCE_S = 2.0
# Any organisation will do: every partition answers a query, with an empty list if need be.
PROBE_ORGID = 1


class Readiness:
    """The last proof that log and processor answer, and the way to a new one."""

    def __init__(self, client: Client, *, now: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._now = now
        self._answered_at = float("-inf")
        self._asked_at = float("-inf")
        self._problem: Problem | None = None
        self._asking: asyncio.Task[None] | None = None

    def answered(self) -> None:
        """Note that the processor has just answered a call in full."""
        self._answered_at = self._now()
        self._problem = None

    async def check(self) -> None:
        """Return if calls are being answered; raise the 503 that names what does not answer."""
        if self._now() - max(self._answered_at, self._asked_at) < FRESH_S:
            if self._problem is not None:
                raise self._problem
            return
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        try:
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.shield(self._asking)
        except TimeoutError:
            raise self._problem or _unavailable(
                "log or processor", f"no answer through the log within {PATIENCE_S:g} s"
            ) from None
        if self._problem is not None:
            raise self._problem

    async def _ask(self) -> None:
        try:
            await self._client.mailings(PROBE_ORGID, 0, 1)
            self._problem = None
        except NotAcknowledged as exc:
            self._problem = _unavailable("processor", f"the processor does not answer: {exc}")
        except ClientError as exc:
            self._problem = _unavailable("log", as_problem(exc).detail)
        finally:
            self._asking = None
            self._asked_at = self._now()

    def close(self) -> None:
        """Stop asking."""
        if self._asking is not None:
            self._asking.cancel()


def _unavailable(part: str, detail: str) -> Problem:
    return Problem(503, "NOT_READY", detail, members={"part": part})
