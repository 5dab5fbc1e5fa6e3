"""How long a partition is without answers when its worker is killed, or stopped in good order."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from producers.client import TriggerClient
from producers.settings import ClientSettings
from tests.history import system
from tests.support.topics import PARTITIONS
from tests.support.worker import MID, ORG, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.history.system import Place, System
    from tests.support.proxied import Proxied

_PROBE_EVERY_S = 0.02
_WAITS_S = 60.0
_RECIPIENTS_S = 600.0


@dataclass(slots=True)
class Probes:
    """One caller a partition, who calls again as soon as he is answered."""

    client: TriggerClient
    # Of each partition when its last call began, and when it was answered.
    last: dict[int, tuple[float, float]] = field(default_factory=dict)
    longest: dict[int, float] = field(default_factory=dict)
    ending: bool = False

    async def call(self, partition: int, email: str) -> None:
        """Call until told to end."""
        while not self.ending:
            began = time.monotonic()
            await self.client.trigger(orgid=ORG, mid=MID, recipients=[{"email": email}])
            self.last[partition] = began, time.monotonic()
            waited = self.last[partition][1] - began
            self.longest[partition] = max(waited, self.longest.get(partition, 0.0))
            await asyncio.sleep(_PROBE_EVERY_S)


def measure(
    broker: Proxied, directory: Path, *, times: int, session_s: float, recipients: int
) -> dict[str, Any]:
    """Return the seconds from each kill, and each stop, to the last partition's first answer."""
    directory.mkdir(parents=True, exist_ok=True)
    with system.running(broker, directory, session_s=session_s) as running:
        measured = asyncio.run(_story(running, times, recipients))
    return measured | {"session_s": session_s, "recipients": recipients}


async def _story(running: System, times: int, recipients: int) -> dict[str, Any]:
    settings = ClientSettings(
        running.cluster.bootstrap_servers,
        topic_prefix=running.cluster.prefix,
        ack_timeout_s=_WAITS_S,
    )
    found: dict[str, list[float]] = {"kill": [], "stop": []}
    async with TriggerClient(settings) as client:
        await client.define(ORG, MID, name="A mailing", interval_s=0)
        await _know(client, recipients)
        probes = Probes(client)
        calls = [
            asyncio.create_task(probes.call(partition, email))
            for partition, email in (await _at_home(client)).items()
        ]
        for number in range(times):
            for how, waits in found.items():
                place = running.workers[number % len(running.workers)]
                await until(lambda: _shared(running), within_s=_WAITS_S)
                waits.append(await _without(probes, place, how))
                place.start()
        probes.ending = True
        await asyncio.gather(*calls)
    return {
        how: {"median_s": sorted(all_s)[len(all_s) // 2], "longest_s": max(all_s), "all_s": all_s}
        for how, all_s in found.items()
    }


async def _know(client: TriggerClient, recipients: int) -> None:
    """Trigger that many new recipients, and mail them."""
    people = ({"email": f"person{number}@example.org"} for number in range(recipients))
    async for answer in client.trigger_many(orgid=ORG, mid=MID, recipients=people):
        assert answer.error is None, answer.error
    await client.invoke(ORG, MID)
    await until(lambda: _nothing_waits(client), within_s=_RECIPIENTS_S)


async def _nothing_waits(client: TriggerClient) -> bool:
    return not (await client.mailing(ORG, MID)).pending


async def _without(probes: Probes, place: Place, how: str) -> float:
    """End a worker; return how long the slowest call waited that this met."""
    probes.longest.clear()
    ended = time.monotonic()
    await asyncio.to_thread(place.kill if how == "kill" else place.stop)

    async def answered() -> bool:
        return len(probes.last) == PARTITIONS and all(
            began > ended for began, _ in probes.last.values()
        )

    # Calls that were under way are answered, and one after them in each partition.
    await until(answered, within_s=_WAITS_S)
    return round(max(probes.longest.values()), 2)


async def _at_home(client: TriggerClient) -> dict[int, str]:
    """Return an address for each partition."""
    emails = [f"probe{number}@example.org" for number in range(50)]
    rids = await client.trigger(
        orgid=ORG, mid=MID, recipients=[{"email": email} for email in emails]
    )
    homes = {rid % 1024: email for rid, email in zip(rids, emails, strict=True)}
    assert len(homes) == PARTITIONS
    return homes


async def _shared(running: System) -> bool:
    assigned = await asyncio.to_thread(running.cluster.members)
    return len(assigned) == len(running.workers) and all(assigned.values())
