"""A call of 10,000 recipients through the bridge, and calls of one beside it."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import msgspec

from bench.processes import resident_bytes
from bench.topics import remove_topics
from mailing_trigger.settings import Settings
from mailing_trigger.system import started
from streams.embedded.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.broker import Broker
    from mailing_trigger.system import System

_TRIGGER = "/v3.7/mailing/trigger?orgid=2&mid=1"
_MAILING = "/v3.7/mailing?orgid=2&mid=1"
_DEFINITION = {"name": "Benchmark", "type": "api-triggered", "interval": 0}
_WITHIN_S = 60.0
_WARM_UP = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """How many calls of which size."""

    recipients: int = 10_000
    big_calls: int = 7
    small_calls: int = 1_000


@dataclass(frozen=True, slots=True)
class Result:
    """Seconds each call took; resident memory before and after each big call.

    *small_alone_s* were made while nothing else happened, *small_beside_s* while big calls were
    being answered one after the other. *loads* are the load averages before and after.
    """

    recipients: int
    big_s: list[float]
    small_alone_s: list[float]
    small_beside_s: list[float]
    bridge_bytes: list[int]
    worker_bytes: list[int]
    loads: tuple[float, float]


def run(plan: Plan, broker: Broker, tell: Callable[[str], None]) -> Result:
    """Start worker and bridge, make the calls, stop both."""
    prefix = f"bench-{uuid.uuid4().hex[:8]}."
    settings = Settings(
        bootstrap_servers=broker.bootstrap_servers,
        topic_prefix=prefix,
        group=f"{prefix}group",
        port=free_port(),
        data_dir=broker.folder / prefix,
        processes=1,
        ack_timeout_s=_WITHIN_S,
    )
    try:
        with started(settings, lambda _: None) as system:
            result = asyncio.run(_measure(plan, system, tell))
    finally:
        remove_topics(broker.bootstrap_servers, prefix)
    return result


async def _measure(plan: Plan, system: System, tell: Callable[[str], None]) -> Result:
    worker, bridge = (child.process.pid for child in system.children)
    load = os.getloadavg()[0]
    async with httpx.AsyncClient(base_url=system.url, timeout=_WITHIN_S, trust_env=False) as http:
        (await http.put(_MAILING, json=_DEFINITION)).raise_for_status()
        await _small_calls(http, _WARM_UP)
        alone = await _small_calls(http, plan.small_calls)
        bodies = [_body(plan.recipients) for _ in range(plan.big_calls)]
        big_s = []
        bridge_bytes, worker_bytes = [resident_bytes(bridge)], [resident_bytes(worker)]
        for body in bodies:
            big_s.append(await _call(http, body, plan.recipients))
            bridge_bytes.append(resident_bytes(bridge))
            worker_bytes.append(resident_bytes(worker))
            tell(f"{plan.recipients:,} recipients: {big_s[-1]:.2f} s")
        done = asyncio.Event()
        beside = asyncio.create_task(_small_calls_until(http, done))
        for body in [_body(plan.recipients) for _ in range(plan.big_calls)]:
            await _call(http, body, plan.recipients)
        done.set()
        beside_s = await beside
        bridge_bytes.append(resident_bytes(bridge))
        worker_bytes.append(resident_bytes(worker))
    loads = load, os.getloadavg()[0]
    return Result(plan.recipients, big_s, alone, beside_s, bridge_bytes, worker_bytes, loads)


async def _small_calls(http: httpx.AsyncClient, count: int) -> list[float]:
    return [await _call(http, _body(1), 1) for _ in range(count)]


async def _small_calls_until(http: httpx.AsyncClient, done: asyncio.Event) -> list[float]:
    seconds = []
    while not done.is_set():
        seconds.append(await _call(http, _body(1), 1))
    return seconds


async def _call(http: httpx.AsyncClient, body: bytes, recipients: int) -> float:
    """Make one call, see that every recipient got an ID, and return the seconds it took."""
    since = time.perf_counter()
    answer = await http.put(_TRIGGER, content=body)
    seconds = time.perf_counter() - since
    assert answer.status_code == httpx.codes.OK, answer.text
    assert len(set(answer.json())) == recipients
    return seconds


def _body(recipients: int) -> bytes:
    call = uuid.uuid4().hex
    return msgspec.json.encode(
        [
            {
                "email": f"{call}.{number}@example.com",
                "firstName": "Mária",
                "lastName": "Kovács",
                "city": "Budapest",
                "smsContact": "+36205555555",
                "context": {"ordernumber": number, "header": "XYZ-123", "text": "x" * 60},
            }
            for number in range(recipients)
        ]
    )
