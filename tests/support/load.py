"""Callers that trigger recipients until told to stop, and remember what they were told."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from producers.errors import ClientError, NotAcknowledged, TriggerRejected
from tests.support.recount import Recount
from tests.support.worker import ACK_TIMEOUT_S, MID, ORG, all_sent, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from producers.client import TriggerClient
    from tests.support.worker import Cluster

# Between a caller's calls: the load shall last through a fault, not fill the disk.
_PAUSE_S = 0.02
# For answers that a fault keeps away; slowest to heal is a client that hangs in its transaction.
_MORE_WITHIN_S = 120.0


class Answered(NamedTuple):
    """A recipient whose ID a caller was told."""

    email: str
    context: str
    rid: int


class Load:
    """*callers* that each trigger one to three recipients at a time, out of *people*.

    `answered` holds what they were told; `unknown` the (address, context) of calls that had no
    answer, which may or may not be in the log. With *repeat* each call is made twice. It stops at
    the end of its block.
    """

    def __init__(
        self,
        client: TriggerClient,
        *,
        seed: int,
        callers: int = 4,
        people: int = 150,
        mid: int = MID,
        repeat: bool = False,
    ) -> None:
        self.answered: list[Answered] = []
        self.unknown: list[tuple[str, str]] = []
        self.client = client
        self._seed = seed
        self._callers = callers
        self._people = people
        self.mid = mid
        self._repeat = repeat
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Load:
        self._tasks = [asyncio.create_task(self._call(number)) for number in range(self._callers)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        await asyncio.gather(*self._tasks)

    async def more(self, count: int) -> None:
        """Return when *count* more recipients have been answered."""
        wanted = len(self.answered) + count

        async def answered() -> bool:
            for task in self._tasks:
                if task.done():
                    task.result()
            return len(self.answered) >= wanted

        await until(answered, within_s=_MORE_WITHIN_S)

    async def _call(self, caller: int) -> None:
        rng = random.Random(f"{self._seed} {caller}")
        number = 0
        while not self._stopping.is_set():
            asked = []
            for _ in range(rng.randint(1, 3)):
                number += 1
                name = f"person{rng.randrange(self._people)}@example.org"
                spelling = rng.choice((name, name.upper(), name.title()))
                asked.append((spelling, f"{caller}-{number}"))
            await self._trigger(asked)
            if self._repeat:
                await self._trigger(asked)
            await asyncio.sleep(_PAUSE_S)

    async def _trigger(self, asked: list[tuple[str, str]]) -> None:
        recipients = [{"email": email, "context": context} for email, context in asked]
        try:
            rids = await self.client.trigger(orgid=ORG, mid=self.mid, recipients=recipients)
        except TriggerRejected as exc:
            if not all(error.retriable for error in exc.errors):
                raise
            self._note(asked, exc.ids or [None] * len(asked))
        except ClientError as exc:
            if not exc.retriable:
                raise
            self._note(asked, [None] * len(asked))
        else:
            self._note(asked, rids)

    def _note(self, asked: list[tuple[str, str]], rids: object) -> None:
        assert isinstance(rids, (list, tuple))
        for (email, context), rid in zip(asked, rids, strict=True):
            if rid is None:
                self.unknown.append((email, context))
            else:
                self.answered.append(Answered(email, context, rid))


@asynccontextmanager
async def under_load(
    cluster: Cluster,
    *,
    seed: int,
    interval_s: int = 1,
    repeat: bool = False,
    ack_timeout_s: float = ACK_TIMEOUT_S,
) -> AsyncIterator[Load]:
    """Trigger recipients into a new mailing while the block runs; its timer mails them meanwhile.

    Afterwards all of them are sent, and nothing is lost, doubled or changed.
    """
    async with cluster.client(ack_timeout_s=ack_timeout_s) as client:
        await until(lambda: _defined(client, interval_s))
        async with Load(client, seed=seed, repeat=repeat) as load:
            yield load
        view = await all_sent(client)
    Recount(cluster).verify(load, views=[view])


async def _defined(client: TriggerClient, interval_s: int) -> bool:
    # The worker may take longer to start than the calls of this load may take.
    try:
        await client.define(ORG, MID, name="A mailing", interval_s=interval_s)
    except NotAcknowledged:
        return False
    return True
