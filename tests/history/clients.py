"""Client processes that trigger: each makes a call at a time, and writes down what it was told."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field, replace
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from producers.errors import ClientError, KeyReused, TriggerRejected
from schemas.ids import recipient_key
from schemas.partition import partition_for
from tests.history.clients_mailings import Operators
from tests.history.clients_people import Stewards
from tests.history.generator import MAILINGS, Asked, Entry, Generator, Known, Mix
from tests.history.told import Told, judged, over_http, read_answer, unavailable
from tests.support.topics import PARTITIONS

if TYPE_CHECKING:
    import httpx

    from tests.history.desk import Desk

PATH = "/v3.7/mailing/trigger"
# Of a hundred calls a process makes so many once more that have a key, whoever made them first, and
# so many under a key that another call has.
_AGAIN_PERCENT, _STOLEN_PERCENT = 5, 1
_KEPT = 100
_BURST = 4_000
STEWARDS = 3


@dataclass(slots=True)
class Clients:
    """All processes of a run."""

    desk: Desk
    # A process pauses this long between two calls, on average.
    pause_s: float = 0.25
    mix: Mix = field(default_factory=Mix)
    known: Known = field(default_factory=Known)
    unknown: list[tuple[int, Asked, Any]] = field(default_factory=list)
    acknowledged: int = 0
    asked: int = 0
    operators: Operators = field(init=False)
    # The latest calls with a key, by whomever.
    _keyed: list[tuple[int, Asked]] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _requests: set[asyncio.Task[httpx.Response]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.operators = Operators(self.desk, self.known, closing=self.mix.closing)

    def start(self, processes: int) -> None:
        """Let *processes* begin: half of them over HTTP, half by the client.

        Beside them are those who invoke, those who switch mailings, and those who read and change
        recipients.
        """
        for number in range(processes):
            way = self._http if number % 2 else self._direct
            self._begin(self._live(way, number))
        self._begin(self.operators.invoke_now_and_then())
        self._begin(self.operators.switch_now_and_then())
        stewards = Stewards(self.desk, self.known, self.pause_s)
        for number in range(STEWARDS):
            self._begin(stewards.live(number))

    def _begin(self, life: Any) -> None:
        self._tasks.append(asyncio.create_task(life))

    async def stop(self) -> None:
        """Let every process end the call it is in."""
        self.desk.stopping.set()
        await asyncio.gather(*self._tasks)

    def check(self) -> None:
        """Raise what a process did not expect."""
        for task in self._tasks:
            if task.done():
                task.result()

    def burst(self, partition: int) -> None:
        """Let somebody add many of one partition to a mailing at once, and invoke it."""
        self._begin(self._burst(partition))

    def cut(self) -> None:
        """End every connection on which somebody waits for the bridge's answer to a trigger."""
        for request in self._requests:
            request.cancel()

    async def once_more(self, limit: int) -> bool:
        """Repeat the last *limit* calls nobody knows the end of; return whether none is left."""
        unknown, self.unknown = self.unknown[-limit:], []
        for number, asked, way in unknown:
            told = await self._attempt(self.desk.process(), way, number, asked)
            if told.type != "ok":
                self.unknown.append((number, asked, way))
        return not self.unknown

    async def probe(self, org: int) -> bool:
        """Whether a call of one recipient is answered now."""
        mid = next(mid for (whose, mid) in MAILINGS if whose == org)
        generator = Generator(self.desk.process(), random.Random(0), self.known, self.mix)
        asked = Asked(org, mid, (generator.famous(),))
        told = await self._attempt(generator.process, self._http, self.desk.call(), asked)
        return told.type == "ok"

    async def _live(self, way: Any, place: int) -> None:
        rng = random.Random(f"{self.desk.seed} client {place}")
        # Apart: how calls end must not decide what is asked next.
        pace = random.Random(f"{self.desk.seed} pace {place}")
        generator = Generator(self.desk.process(), rng, self.known, self.mix)
        while not self.desk.stopping.is_set():
            number, asked = self._chosen(generator.next(), pace)
            told = await self._attempt(generator.process, way, number, asked)
            again = told.type == "info" or pace.random() < 0.05
            if told.type == "info":
                # Its call may still be under way, so this process never makes another.
                generator.process = self.desk.process()
            if again and not self.desk.stopping.is_set():
                repeated = await self._attempt(generator.process, way, number, asked)
                if repeated.type == "info":
                    generator.process = self.desk.process()
                told = told if repeated.type == "fail" else repeated
            if told.type == "info":
                self.unknown.append((number, asked, way))
            pause_s = self.pause_s if told.type != "fail" else 4 * self.pause_s
            await self.desk.sleep(pace.expovariate(1 / pause_s))

    def _chosen(self, asked: Asked, pace: random.Random) -> tuple[int, Asked]:
        """Return a call and its number: the one asked for, or one with a key once more."""
        chance = pace.randrange(100)
        if self._keyed and chance < _AGAIN_PERCENT:
            return pace.choice(self._keyed)
        number = self.desk.call()
        if chance < _AGAIN_PERCENT + _STOLEN_PERCENT:
            same = [
                each.key_of(other)
                for other, each in self._keyed
                if (each.org, each.mid) == (asked.org, asked.mid)
            ]
            return number, replace(asked, key=pace.choice(same)) if same else asked
        if asked.keyed:
            self._keyed.append((number, asked))
            del self._keyed[:-_KEPT]
        return number, asked

    async def _burst(self, partition: int) -> None:
        process, number, (org, mid) = self.desk.process(), self.desk.call(), (2, 2)
        everybody = (f"burst{number}-{index}@example.org" for index in count())
        here = (
            Entry(email, b"")
            for email in everybody
            if partition_for(recipient_key(org, email), PARTITIONS) == partition
        )
        asked = Asked(org, mid, tuple(islice(here, _BURST)))
        await self._attempt(process, self._direct, number, asked)
        await self.operators.invoke(self.desk.process(), org, mid)

    async def _attempt(self, process: int, way: Any, number: int, asked: Asked) -> Told:
        self.desk.history.write(
            "invoke",
            f="trigger",
            process=process,
            call=number,
            way="direct" if way == self._direct else "http",
            org=asked.org,
            mid=asked.mid,
            key=asked.key_of(number),
            entries=[(entry.who, entry.sha) for entry in asked.entries],
        )
        self.asked += len(asked.entries)
        told: Told = await way(number, asked)
        self.desk.history.write(
            told.type,
            f="trigger",
            process=process,
            call=number,
            status=told.status,
            error=told.error,
            results=told.results,
        )
        self.known.learn(asked.org, told.results)
        self.acknowledged += sum(isinstance(result, int) for result in told.results)
        return told

    async def _http(self, number: int, asked: Asked) -> Told:
        headers = {"Content-Type": "application/json"}
        if key := asked.key_of(number):
            headers["Idempotency-Key"] = f'"{key}"'
        request = asyncio.create_task(
            self.desk.http.put(
                PATH,
                params={"orgid": asked.org, "mid": asked.mid},
                content=asked.body(number),
                headers=headers,
            )
        )
        self._requests.add(request)
        request.add_done_callback(self._requests.discard)
        await asyncio.wait((request,))
        if request.cancelled():
            return Told("info", error="cut off")
        size = len(asked.entries)
        return await over_http(
            request, lambda answer: read_answer(answer.status_code, answer.content, size)
        )

    async def _direct(self, number: int, asked: Asked) -> Told:
        client = self.desk.direct[number % len(self.desk.direct)]
        key = asked.key_of(number)
        recipients = [
            entry.members(number) | ({"context": entry.context} if entry.context else {})
            for entry in asked.entries
        ]
        try:
            rids = await client.trigger(
                orgid=asked.org,
                mid=asked.mid,
                recipients=recipients,
                # The same for a repeat: so its answer may be the one to the first attempt. Others
                # make a call with a key at the same time, so each attempt has its own.
                request_id=None if key else f"call-{number}",
                idempotency_key=key or None,
            )
        except TriggerRejected as exc:
            codes = {error.index: error.code for error in exc.errors}
            return judged(0, exc.ids, codes, len(recipients))
        except KeyReused:
            return Told("ok", ["KEY_REUSED"] * len(recipients))
        except ClientError as exc:
            return unavailable(exc)
        return Told("ok", rids)
