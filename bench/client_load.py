"""An open load through `TriggerClient` in this process: `python -m bench.client_load PLAN`.

Like the open load over HTTP: calls at times fixed beforehand, each timed from its own.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
import uuid

import msgspec
import uvloop

from bench.histogram import Percentiles, percentiles
from bench.http_calls import MID, ORGID, recipient
from producers import ClientSettings, TriggerClient


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to call; *rate* in calls/s, of one recipient each."""

    bootstrap_servers: str
    topic_prefix: str
    rate: float
    seconds: float
    warm_up_s: float = 2.0
    seed: int = 1


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Latencies from the time intended; *late_ms* is how late calls were begun."""

    latency_ms: Percentiles
    late_ms: Percentiles
    cpu_share: float


async def _run(plan: Plan) -> Outcome:
    settings = ClientSettings(plan.bootstrap_servers, topic_prefix=plan.topic_prefix)
    run = uuid.uuid4().hex[:12]
    took: list[float] = []
    late: list[float] = []
    calls: set[asyncio.Task[None]] = set()
    async with TriggerClient(settings) as client:
        loop = asyncio.get_running_loop()
        started = time.perf_counter()
        counted, end = started + plan.warm_up_s, started + plan.warm_up_s + plan.seconds

        async def call(number: int, due: float) -> None:
            begun = time.perf_counter()
            await client.trigger(orgid=ORGID, mid=MID, recipients=[recipient(run, number)])
            if due >= counted:
                took.append(time.perf_counter() - due)
                late.append(begun - due)

        def begin(number: int, due: float) -> None:
            task = asyncio.ensure_future(call(number, due))
            calls.add(task)
            task.add_done_callback(calls.discard)

        def keep_time() -> None:
            # On a thread: uvloop goes by whole milliseconds.
            rng = random.Random(plan.seed)
            due, number = started, 0
            while due < end:
                time.sleep(max(0.0, due - time.perf_counter()))
                loop.call_soon_threadsafe(begin, number, due)
                due += rng.expovariate(plan.rate)
                number += 1

        cpu = time.process_time()
        await asyncio.to_thread(keep_time)
        share = (time.process_time() - cpu) / (time.perf_counter() - started)
        await asyncio.gather(*calls)
    return Outcome(
        latency_ms=percentiles(took), late_ms=percentiles(late), cpu_share=round(share, 3)
    )


def main() -> None:
    plan = msgspec.json.decode(sys.argv[1], type=Plan)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcome = runner.run(_run(plan))
    print(msgspec.json.encode(outcome).decode())


if __name__ == "__main__":
    main()
