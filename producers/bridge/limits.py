"""How much the bridge takes on at once, and how long it waits for a body."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from producers.bridge.backlog import Backlog
from producers.bridge.problems import Problem, TooBusy
from schemas.topics import MAX_BODY_BYTES, MAX_ENTRIES, MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

# In the scope of a request whose body came with its head.
BODY_IS_HERE = "mailing_trigger.body_is_here"


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one bridge; at least one call of the largest size always fits."""

    calls: int = 1024
    """Calls being read or waiting for their acknowledgements."""
    body_bytes: int = 2 * MAX_BODY_BYTES
    """Bytes of all their bodies together; parsed they take several times that."""
    entries: int = 2 * MAX_ENTRIES
    """Entries of all their bodies together."""
    idle_s: float = 10.0
    """Longest pause between two pieces of a body."""
    body_s: float = 60.0
    """Longest time for a whole body."""


class Admission:
    """Counts what is in flight and refuses what would be too much."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.calls = 0
        self.body_bytes = 0
        self.entries = 0
        self._backlog = Backlog(limits.entries)

    @contextmanager
    def ticket(self) -> Iterator[Ticket]:
        """Count a call, and what it takes through its ticket, until the block ends."""
        if self.calls >= self.limits.calls:
            raise TooBusy("too many calls at once")
        if self.entries >= self._backlog.size:
            raise TooBusy("too many recipients are waiting")
        ticket = Ticket(self)
        self.calls += 1
        try:
            yield ticket
        finally:
            if ticket.entries and ticket.awaited:
                self._backlog.answered(
                    ticket.entries,
                    sent_at=ticket.sent_at,
                    at=time.monotonic(),
                    waiting=self.entries,
                )
            self.calls -= 1
            self.body_bytes -= ticket.body_bytes
            self.entries -= ticket.entries


class Ticket:
    """What one call has taken."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.body_bytes = 0
        self.entries = 0
        self.sent_at = 0.0
        self.awaited = True

    def take_bytes(self, count: int) -> None:
        if self._admission.body_bytes + count > self._admission.limits.body_bytes:
            raise TooBusy("too many bytes of bodies at once")
        self._admission.body_bytes += count
        self.body_bytes += count

    def take_entries(self, count: int) -> None:
        if self._admission.entries + count > self._admission.limits.entries:
            raise TooBusy("too many recipients at once")
        self._admission.entries += count
        self.entries += count
        self.sent_at = time.monotonic()

    def unanswered(self) -> None:
        """Know that the call ends before its answers are there: it tells nothing of their delay."""
        self.awaited = False


async def read_body(request: Request, ticket: Ticket, limits: Limits) -> bytes:
    """Return the body; 413 as soon as it is known to be too large, 408 when it does not come."""
    # The server has seen to it that the header is a number and the body no longer than it says.
    if int(request.headers.get("content-length", 0)) > MAX_BODY_BYTES:
        raise _too_large()
    pieces: list[bytes] = []
    size = 0
    stream = aiter(request.stream())
    if BODY_IS_HERE in request.scope:
        # Nothing to wait for, so nothing to time: 20 us less.
        body = b"".join([some async for some in stream])
        if len(body) > MAX_BODY_BYTES:
            raise _too_large()
        ticket.take_bytes(len(body))
        return body
    try:
        async with asyncio.timeout(limits.body_s):
            while True:
                async with asyncio.timeout(limits.idle_s):
                    piece = await anext(stream, None)
                if piece is None:
                    break
                size += len(piece)
                if size > MAX_BODY_BYTES:
                    raise _too_large()
                ticket.take_bytes(len(piece))
                pieces.append(piece)
    except TimeoutError:
        raise Problem(
            408,
            "SLOW_BODY",
            f"the body did not come: {limits.idle_s:g} s between two pieces of it, "
            f"{limits.body_s:g} s for all of it",
            headers={"Connection": "close"},
        ) from None
    return b"".join(pieces)


def _too_large() -> Problem:
    return Problem(413, "BODY_TOO_LARGE", f"a body has {MAX_BODY_BYTES // MIB} MiB at most")
