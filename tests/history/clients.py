"""Client processes: each makes one call at a time, and writes down what it was told."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx

from producers.errors import ClientError, LogUnavailable, Overloaded, TriggerRejected
from tests.history.generator import MAILINGS, Asked, Entry, Generator, Known, Mix
from tests.support.worker import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from producers.client import TriggerClient
    from tests.history.record import History, Result

PATH = "/v3.7/mailing/trigger"
# Nothing of a call with one of these was produced; 503 says so itself.
NOTHING_PRODUCED = frozenset({400, 401, 403, 405, 408, 413, 415, 429})
_NOT_ACKNOWLEDGED = "NOT_ACKNOWLEDGED"


@dataclass(frozen=True, slots=True)
class Told:
    """How an attempt ended."""

    type: str
    results: Sequence[Result] = ()
    status: int = 0
    error: str = ""


@dataclass(slots=True)
class Clients:
    """All processes of a run; ids and call numbers are never used twice."""

    history: History
    seed: object
    http: httpx.AsyncClient
    direct: Sequence[TriggerClient]
    # A process pauses this long between two calls, on average.
    pause_s: float = 0.25
    mix: Mix = field(default_factory=Mix)
    known: Known = field(default_factory=Known)
    unknown: list[tuple[int, Asked, Any]] = field(default_factory=list)
    acknowledged: int = 0
    asked: int = 0
    _processes: Iterator[int] = field(default_factory=count)
    _calls: Iterator[int] = field(default_factory=count)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _requests: set[asyncio.Task[httpx.Response]] = field(default_factory=set)

    def start(self, processes: int) -> None:
        """Let *processes* begin: half of them over HTTP, half by the client; one invokes."""
        for number in range(processes):
            way = self._http if number % 2 else self._direct
            self._tasks.append(asyncio.create_task(self._live(way, number)))
        self._tasks.append(asyncio.create_task(self._invoke_now_and_then()))

    async def stop(self) -> None:
        """Let every process end the call it is in."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)

    def check(self) -> None:
        """Raise what a process did not expect."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def define(self) -> None:
        """Define the mailings; again and again while workers share the partitions out."""

        async def defined(org: int, mid: int) -> bool:
            answer = await self.http.put(
                "/v3.7/mailing",
                params={"orgid": org, "mid": mid},
                json={"name": f"Mailing {mid}"} | MAILINGS[org, mid],
            )
            return answer.status_code == httpx.codes.OK

        for mailing in MAILINGS:
            await until(partial(defined, *mailing))

    def burst(self, size: int = 4_000) -> None:
        """Let somebody add many to one mailing at once, and invoke it."""
        self._tasks.append(asyncio.create_task(self._burst(size)))

    def cut(self) -> None:
        """End every connection on which somebody waits for the bridge's answer to a trigger."""
        for request in self._requests:
            request.cancel()

    async def invoke_all(self) -> bool:
        """Invoke every mailing; return whether all were."""
        told = [await self._invoke(next(self._processes), *mailing) for mailing in MAILINGS]
        return all(each.type == "ok" for each in told)

    async def once_more(self, limit: int) -> bool:
        """Repeat the last *limit* calls nobody knows the end of; return whether none is left."""
        unknown, self.unknown = self.unknown[-limit:], []
        for number, asked, way in unknown:
            told = await self._attempt(next(self._processes), way, number, asked)
            if told.type != "ok":
                self.unknown.append((number, asked, way))
        return not self.unknown

    async def probe(self, org: int) -> bool:
        """Whether a call of one recipient is answered now."""
        mid = next(mid for (whose, mid) in MAILINGS if whose == org)
        generator = Generator(next(self._processes), random.Random(0), self.known, self.mix)
        asked = Asked(org, mid, (generator.famous(),))
        told = await self._attempt(generator.process, self._http, next(self._calls), asked)
        return told.type == "ok"

    async def _live(self, way: Any, place: int) -> None:
        rng = random.Random(f"{self.seed} client {place}")
        # Apart: how calls end must not decide what is asked next.
        pace = random.Random(f"{self.seed} pace {place}")
        generator = Generator(next(self._processes), rng, self.known, self.mix)
        while not self._stopping.is_set():
            asked, number = generator.next(), next(self._calls)
            told = await self._attempt(generator.process, way, number, asked)
            again = told.type == "info" or pace.random() < 0.05
            if told.type == "info":
                # Its call may still be under way, so this process never makes another.
                generator.process = next(self._processes)
            if again and not self._stopping.is_set():
                repeated = await self._attempt(generator.process, way, number, asked)
                if repeated.type == "info":
                    generator.process = next(self._processes)
                told = told if repeated.type == "fail" else repeated
            if told.type == "info":
                self.unknown.append((number, asked, way))
            pause_s = self.pause_s if told.type != "fail" else 4 * self.pause_s
            await self._sleep(pace.expovariate(1 / pause_s))

    async def _burst(self, size: int) -> None:
        process, number, (org, mid) = next(self._processes), next(self._calls), (2, 2)
        entries = (Entry(f"burst{number}-{index}@example.org", b"") for index in range(size))
        await self._attempt(process, self._direct, number, Asked(org, mid, tuple(entries)))
        await self._invoke(next(self._processes), org, mid)

    async def _invoke_now_and_then(self) -> None:
        rng = random.Random(f"{self.seed} invoker")
        process = next(self._processes)
        while not self._stopping.is_set():
            await self._sleep(rng.uniform(1, 3))
            told = await self._invoke(process, *rng.choice(tuple(MAILINGS)))
            if told.type == "info":
                process = next(self._processes)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _attempt(self, process: int, way: Any, number: int, asked: Asked) -> Told:
        self.history.write(
            "invoke",
            f="trigger",
            process=process,
            call=number,
            way="direct" if way == self._direct else "http",
            org=asked.org,
            mid=asked.mid,
            entries=[(entry.who, entry.sha) for entry in asked.entries],
        )
        self.asked += len(asked.entries)
        told: Told = await way(number, asked)
        self.history.write(
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
        request = asyncio.create_task(
            self.http.put(
                PATH,
                params={"orgid": asked.org, "mid": asked.mid},
                content=asked.body(number),
                headers={"Content-Type": "application/json"},
            )
        )
        self._requests.add(request)
        request.add_done_callback(self._requests.discard)
        await asyncio.wait((request,))
        if request.cancelled():
            return Told("info", error="cut off")
        try:
            answer = request.result()
        except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
            return Told("fail", error=type(exc).__name__)
        except httpx.TransportError as exc:
            return Told("info", error=type(exc).__name__)
        return read_answer(answer.status_code, answer.content, len(asked.entries))

    async def _direct(self, number: int, asked: Asked) -> Told:
        client = self.direct[number % len(self.direct)]
        recipients = [
            entry.members(number) | ({"context": entry.context} if entry.context else {})
            for entry in asked.entries
        ]
        try:
            rids = await client.trigger(
                orgid=asked.org,
                mid=asked.mid,
                recipients=recipients,
                # The same for a repeat: so its answer may be the one to the first attempt.
                request_id=f"call-{number}",
            )
        except TriggerRejected as exc:
            codes = {error.index: error.code for error in exc.errors}
            return judged(0, exc.ids, codes, len(recipients))
        except Overloaded as exc:
            return Told("fail", error=str(exc))
        except LogUnavailable as exc:
            return Told("info" if exc.produced else "fail", error=str(exc))
        except ClientError as exc:
            return Told("info", error=repr(exc))
        return Told("ok", rids)

    async def _invoke(self, process: int, org: int, mid: int) -> Told:
        number = next(self._calls)
        place = {"process": process, "call": number, "f": "invoke"}
        self.history.write("invoke", way="http", org=org, mid=mid, **place)
        try:
            answer = await self.http.post("/v3.7/mailing/invoke", params={"orgid": org, "mid": mid})
        except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
            told = Told("fail", error=type(exc).__name__)
        except httpx.TransportError as exc:
            told = Told("info", error=type(exc).__name__)
        else:
            told = read_answer(answer.status_code, answer.content, 0)
        self.history.write(told.type, status=told.status, error=told.error, **place)
        return told


def read_answer(status: int, body: bytes, size: int) -> Told:
    """Return what an answer over HTTP says about a call of *size* entries."""
    if status == httpx.codes.OK:
        ids = json.loads(body)
        return Told("ok", ids if isinstance(ids, list) else (), status)
    problem = json.loads(body)
    detail = str(problem.get("detail"))
    if status in NOTHING_PRODUCED or (status == 503 and "nothing was added" in detail):
        return Told("fail", (), status, detail)
    if status in {404, 409, 422, 504} and "ids" in problem:
        codes = {error["index"]: error["code"] for error in problem["errors"]}
        return judged(status, problem["ids"], codes, size)
    if status in {404, 409}:
        return Told("ok", [problem["code"]] * size, status)
    return Told("info", (), status, detail)


def judged(status: int, ids: Sequence[int | None], codes: dict[int, str], size: int) -> Told:
    """Return what became of each entry, by its ID or the code of its refusal."""
    if not ids:
        # The mailing was the reason, and one error speaks for all entries.
        return Told("ok", [next(iter(codes.values()))] * size, status)
    results: list[Result] = [
        rid if rid is not None else codes.get(index) for index, rid in enumerate(ids)
    ]
    late = [result in {None, _NOT_ACKNOWLEDGED} for result in results]
    results = [None if is_late else result for result, is_late in zip(results, late, strict=True)]
    return Told("info" if any(late) else "ok", results, status)
