"""A load on a bridge, as a process of its own: `python -m bench.http_load PLAN`, PLAN as JSON.

Closed: so many connections, each calling again as soon as it is answered; for capacity. Open: calls
at times fixed beforehand (exponential gaps), whether or not earlier ones are answered, each timed
from when it should have been sent; for latency. A call on 64 connections costs about 40 us here.
A call for which no connection is free waits for one, and is given up after a while, as by a caller.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from array import array
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
import uvloop

from bench.histogram import Percentiles, percentiles
from bench.http_calls import MID, Requests
from bench.http_connection import Connection, says_when_to_retry

OK = 200
_DRAIN_S = 15.0
_WAITS_S = 1.0
# At high rates the calls of this long are sent together.
_TICK_S = 0.0001


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to send; *rate* in calls/s makes an open load, without one it is closed.

    Nothing of the first *warm_up_s* is counted.
    """

    port: int
    recipients: int = 1
    connections: int = 64
    seconds: float = 10.0
    warm_up_s: float = 2.0
    rate: float | None = None
    mid: int = MID
    check: bool = True
    seed: int = 1


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came back in *seconds*; *good* calls have status 200 and, if checked, every ID.

    *latency_ms* are good calls', from the time intended; *late_ms* is how late the load itself sent
    a call that had a free connection; *unsent* calls found none in time.
    """

    seconds: float
    statuses: dict[str, int]
    good: int
    goodput: float
    latency_ms: Percentiles
    refusal_ms: Percentiles
    late_ms: Percentiles
    unsent: int
    without_retry_after: int
    cpu_share: float


@dataclass(slots=True)
class _Counts:
    begin: float
    end: float
    good: array[float] = field(default_factory=lambda: array("d"))
    refused: array[float] = field(default_factory=lambda: array("d"))
    late: array[float] = field(default_factory=lambda: array("d"))
    statuses: Counter[int] = field(default_factory=Counter)
    without_retry_after: int = 0
    unsent: int = 0


class Load:
    """Connections, and what they are told."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._requests = Requests(plan.recipients, mid=plan.mid)
        self._number = 0
        self._free: deque[Connection] = deque()
        self._due: deque[float] = deque()
        self._outstanding = 0
        self._closing = False
        self._drained = asyncio.Event()
        begin = time.perf_counter() + plan.warm_up_s
        self._counts = _Counts(begin, begin + plan.seconds)

    async def run(self) -> Outcome:
        plan = self._plan
        await self._connect()
        started = time.perf_counter()
        counts = self._counts = _Counts(
            started + plan.warm_up_s, started + plan.warm_up_s + plan.seconds
        )
        cpu = time.process_time()
        if plan.rate is None:
            for connection in list(self._free):
                self._send(connection, time.perf_counter())
            await asyncio.sleep(counts.end - time.perf_counter())
        else:
            await asyncio.to_thread(self._keep_time, plan.rate, asyncio.get_running_loop())
        share = (time.process_time() - cpu) / (time.perf_counter() - started)
        self._closing = True
        self._give_up(float("inf"))
        await self._drain()
        return Outcome(
            seconds=plan.seconds,
            statuses={str(status): count for status, count in sorted(counts.statuses.items())},
            good=len(counts.good),
            goodput=len(counts.good) / plan.seconds,
            latency_ms=percentiles(counts.good),
            refusal_ms=percentiles(counts.refused),
            late_ms=percentiles(counts.late),
            unsent=counts.unsent,
            without_retry_after=counts.without_retry_after,
            cpu_share=round(share, 3),
        )

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(self._plan.connections):
            _, connection = await loop.create_connection(
                lambda: Connection(self._answered), "127.0.0.1", self._plan.port
            )
            self._free.append(connection)

    def _keep_time(self, rate: float, loop: asyncio.AbstractEventLoop) -> None:
        """Have calls sent when they are due; on a thread, for uvloop goes by whole milliseconds."""
        rng = random.Random(self._plan.seed)
        due = time.perf_counter()
        while due < self._counts.end:
            time.sleep(max(due - time.perf_counter(), _TICK_S))
            now = time.perf_counter()
            dues = []
            while due <= now and due < self._counts.end:
                dues.append(due)
                due += rng.expovariate(rate)
            loop.call_soon_threadsafe(self._send_due, dues)

    def _send_due(self, dues: list[float]) -> None:
        now = time.perf_counter()
        self._give_up(now - _WAITS_S)
        for due in dues:
            if self._free:
                if due >= self._counts.begin:
                    self._counts.late.append(now - due)
                self._send(self._free.popleft(), due)
            else:
                self._due.append(due)

    def _give_up(self, before: float) -> None:
        """Forget the calls that were due *before* and never got a connection."""
        while self._due and self._due[0] < before:
            self._counts.unsent += self._due.popleft() >= self._counts.begin

    def _send(self, connection: Connection, intended: float) -> None:
        self._number += 1
        self._outstanding += 1
        connection.send(self._requests.make(self._number), intended=intended)

    def _answered(self, connection: Connection, status: int, head: bytes, body: bytes) -> None:
        now = time.perf_counter()
        self._outstanding -= 1
        counts = self._counts
        # A closed load is counted by when calls end, an open one by when they should have begun.
        at = now if self._plan.rate is None else connection.intended
        if counts.begin <= at < counts.end:
            counts.statuses[status] += 1
            if status == OK:
                if self._plan.check:
                    assert body.count(b",") == self._plan.recipients - 1, body[:200]
                counts.good.append(now - connection.intended)
            else:
                counts.refused.append(now - connection.intended)
                counts.without_retry_after += not says_when_to_retry(head)
        if not connection.open:
            if not self._closing:
                asyncio.get_running_loop().create_task(self._reconnect())
        elif self._closing:
            connection.close()
            if not self._outstanding:
                self._drained.set()
        elif self._plan.rate is None:
            self._send(connection, now)
        elif self._due:
            self._send(connection, self._due.popleft())
        else:
            self._free.append(connection)

    async def _reconnect(self) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(self._answered), "127.0.0.1", self._plan.port
        )
        self._free.append(connection)

    async def _drain(self) -> None:
        if self._outstanding:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), _DRAIN_S)


def main() -> None:
    plan = msgspec.json.decode(sys.argv[1], type=Plan)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcome = runner.run(Load(plan).run())
    print(msgspec.json.encode(outcome).decode())


if __name__ == "__main__":
    main()
