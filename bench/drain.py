"""A million messages of one mailing are sent while calls go on: how much longer do these take?"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import uvloop
from rich.table import Table

from bench.bridges import OTHER_MID, ours
from bench.events import PARTITIONS, EventMaker
from bench.histogram import percentiles
from bench.http_calls import MID, ORGID, recipient
from bench.log import produce
from bench.report import Measured, span
from producers import ClientSettings, TriggerClient
from schemas.framing import Framing
from schemas.ids import recipient_key
from schemas.partition import partition_for
from schemas.records import RECIPIENT_TRIGGERED
from schemas.topics import LOG
from schemas.varint import encode_bytes, encode_long

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.bridges import Bridge
    from bench.broker import Broker
    from bench.events import Record
    from bench.histogram import Percentiles

_PENDING = 1_000_000
_PARTITION = 0
_ROUNDS = 3
_RATE = 300
_WARM_UP_S = 5.0
_BEFORE_S = 15.0
_LOOK_EVERY_S = 0.2
_WITHIN_S = 300.0
# What a drain may do to the slowest of a hundred answers.
AIM = 3.0


@dataclass(frozen=True, slots=True)
class Round:
    """Latencies of calls for another mailing, in ms, before the drain and while it lasts."""

    before_ms: Percentiles
    during_ms: Percentiles
    drain_s: float

    @property
    def ratio(self) -> float:
        """How many times as long the slowest of a hundred answers takes."""
        return self.during_ms.p99 / self.before_ms.p99


def measure(broker: Broker, tell: Callable[[str], None], *, full: bool) -> Measured:
    """Let a million wait in one partition, invoke their mailing, and time calls for another."""
    del full
    rounds: list[Round] = []
    with ours(broker) as bridge, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for number in range(_ROUNDS):
            done = runner.run(_round(bridge, number))
            rounds.append(done)
            tell(
                f"p99 {done.before_ms.p99:.1f} ms before, {done.during_ms.p99:.1f} ms while "
                f"{_PENDING:,} are sent in {done.drain_s:.1f} s: {done.ratio:.2f} x"
            )
    figures = {
        "pending": _PENDING,
        "calls_per_s": _RATE,
        "aim": AIM,
        "rounds": [msgspec.to_builtins(done) | {"ratio": done.ratio} for done in rounds],
    }
    return Measured([_table(rounds)], figures)


async def _round(bridge: Bridge, number: int) -> Round:
    settings = ClientSettings(
        bridge.settings.bootstrap_servers, topic_prefix=bridge.settings.topic_prefix
    )
    async with TriggerClient(settings) as client:
        await asyncio.to_thread(_trigger, bridge, number)
        await _until(client, _PENDING)
        load = _Load(client)
        calling = asyncio.create_task(load.run())
        await asyncio.sleep(_WARM_UP_S + _BEFORE_S)
        invoked = time.perf_counter()
        await client.invoke(ORGID, OTHER_MID)
        await _until(client, 0)
        drained = time.perf_counter()
        load.end()
        await calling
    return Round(
        before_ms=load.latency(invoked - _BEFORE_S, invoked),
        during_ms=load.latency(invoked, drained),
        drain_s=drained - invoked,
    )


async def _until(client: TriggerClient, pending: int) -> None:
    """Return when so many wait; the mailing is asked for by the log, as any caller does."""
    async with asyncio.timeout(_WITHIN_S):
        while (await client.mailing(ORGID, OTHER_MID)).pending != pending:  # noqa: ASYNC110 - workers decide
            await asyncio.sleep(_LOOK_EVERY_S)


class _Load:
    """An open load: calls of one recipient at times fixed beforehand, each timed from its own."""

    def __init__(self, client: TriggerClient) -> None:
        self._client = client
        self._run = uuid.uuid4().hex[:12]
        self._took: list[tuple[float, float]] = []
        self._ended = False

    async def run(self) -> None:
        """Make calls until the end, and wait for the last answer."""
        loop = asyncio.get_running_loop()
        calls: set[asyncio.Task[None]] = set()

        def begin(number: int, due: float) -> None:
            task = asyncio.ensure_future(self._call(number, due))
            calls.add(task)
            task.add_done_callback(calls.discard)

        def keep_time() -> None:
            # On a thread: uvloop goes by whole milliseconds.
            rng, due, number = random.Random(1), time.perf_counter(), 0
            while not self._ended:
                time.sleep(max(0.0, due - time.perf_counter()))
                loop.call_soon_threadsafe(begin, number, due)
                due += rng.expovariate(_RATE)
                number += 1

        await asyncio.to_thread(keep_time)
        await asyncio.gather(*calls)

    def end(self) -> None:
        """Begin no more calls."""
        self._ended = True

    def latency(self, since: float, until: float) -> Percentiles:
        """Return how long the calls took that were due in between."""
        return percentiles(took for due, took in self._took if since <= due < until)

    async def _call(self, number: int, due: float) -> None:
        await self._client.trigger(orgid=ORGID, mid=MID, recipients=[recipient(self._run, number)])
        self._took.append((due, time.perf_counter() - due))


def _trigger(bridge: Bridge, number: int) -> None:
    topic = bridge.settings.topic_prefix + LOG
    counts = dict.fromkeys(range(PARTITIONS), 0)
    produce(bridge.settings.bootstrap_servers, topic, _triggers(number), counts)


def _triggers(number: int) -> Iterator[Record]:
    """Yield triggers of recipients that live in one partition, the same people in every round."""
    profiles = EventMaker(seed=1).profiles
    head = Framing().prefixes[RECIPIENT_TRIGGERED] + encode_long(ORGID) + encode_long(OTHER_MID)
    head += encode_bytes(b"round %d" % number) + encode_long(0) + encode_long(-1)
    head += encode_long(0) + encode_long(-1) + encode_bytes(b'{"round":%d}' % number)
    made = candidate = 0
    while made < _PENDING:
        email = f"pending.{candidate}@example.com"
        key = recipient_key(ORGID, email)
        candidate += 1
        if partition_for(key, PARTITIONS) == _PARTITION:
            profile = profiles[made % len(profiles)]
            yield _PARTITION, key, head + encode_bytes(email.encode()) + profile
            made += 1


def _table(rounds: list[Round]) -> Table:
    table = Table(
        title=f"Calls of one recipient before and while {_PENDING:,} messages of another mailing "
        "are sent, in ms",
        caption=f"{_RATE} calls/s by TriggerClient; one worker process; of p99, at most "
        f"{AIM:.0f} x is wanted",
    )
    table.add_column("")
    for column in ("calls", "p50", "p99", "p99.9", "max"):
        table.add_column(column, justify="right")
    for name, all_of_them in (
        ("before", [done.before_ms for done in rounds]),
        ("while they are sent", [done.during_ms for done in rounds]),
    ):
        figures = [
            span([getattr(each, name) for each in all_of_them]) for name in ("p50", "p99", "p999")
        ]
        longest = span([each.max for each in all_of_them])
        table.add_row(name, str(sum(each.count for each in all_of_them)), *figures, longest)
    ratios = span([done.ratio for done in rounds], digits=2)
    table.add_row("times as long", "", "", ratios, "", "")
    return table
