"""Workers that come and go while calls are answered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.support.load import under_load
from tests.support.worker import MID, ORG, until

if TYPE_CHECKING:
    from producers.client import TriggerClient
    from tests.support.processes import Running
    from tests.support.worker import Cluster

    Work = asyncio.Task[list[int]]

pytestmark = pytest.mark.crash

BULK = [{"email": f"bulk{number}@example.org"} for number in range(600)]
# Late enough for the mailing to be defined before, in the first or the first few transactions.
FREEZE = "before-commit:10:freeze"
FROZEN = "reached before-commit: freeze"


def test_nothing_is_lost_or_doubled_while_workers_join_leave_and_die(cluster: Cluster) -> None:
    async def story() -> None:
        first = cluster.start()
        async with under_load(cluster, seed=3) as load:
            await load.more(30)
            both = cluster.start(processes=2)
            await _shared_by(cluster, 3)
            await load.more(50)
            assert await asyncio.to_thread(first.stop) == 0
            await _shared_by(cluster, 2)
            await load.more(50)
            third = cluster.start()
            await _shared_by(cluster, 3)
            await asyncio.to_thread(third.kill)
            await _shared_by(cluster, 2)
            await load.more(50)
            assert await asyncio.to_thread(both.stop) == 0
            cluster.start()
            await load.more(50)
        assert load.unknown == []

    asyncio.run(story())


def test_calls_are_answered_while_fausts_own_group_rebalances(cluster: Cluster) -> None:
    async def story() -> None:
        worker = cluster.start()
        async with under_load(cluster, seed=4) as load:
            for end in ("stop", "kill"):
                other = cluster.processes.start_module(
                    "tests.support.faust_member", env=cluster.environment()
                )
                await _faust_members(cluster, 2)
                await load.more(50)
                await asyncio.to_thread(getattr(other, end))
                await _faust_members(cluster, 1)
                await load.more(50)
        assert worker.running()
        assert load.unknown == []

    asyncio.run(story())


def test_a_worker_that_wakes_up_after_its_session_changes_nothing(cluster: Cluster) -> None:
    async def story() -> None:
        zombie = cluster.start_at(FREEZE)
        async with under_load(cluster, seed=5) as load:
            work = await _until_frozen_in_mid_work(load.client, zombie)
            cluster.start()
            await load.more(100)
            await work
            zombie.resume()
            await until(lambda: _back_or_gone(cluster, zombie))
            await load.more(100)
        assert load.unknown == []

    asyncio.run(story())


async def _until_frozen_in_mid_work(client: TriggerClient, worker: Running) -> Work:
    """Give the worker a transaction's work again and again, until it freezes before the commit."""
    work: list[Work] = []

    async def frozen() -> bool:
        if not work or work[-1].done():
            work.append(asyncio.create_task(client.trigger(orgid=ORG, mid=MID, recipients=BULK)))
        return FROZEN in await asyncio.to_thread(worker.output)

    await until(frozen)
    return work[-1]


async def _back_or_gone(cluster: Cluster, worker: Running) -> bool:
    return not worker.running() or await _shares(cluster, 2)


async def _shares(cluster: Cluster, members: int) -> bool:
    assigned = await asyncio.to_thread(cluster.members)
    shares = [partition for share in assigned.values() for partition in share]
    return len(assigned) == members and all(assigned.values()) and sorted(shares) == [0, 1, 2, 3]


async def _shared_by(cluster: Cluster, members: int) -> None:
    await until(lambda: _shares(cluster, members))


async def _faust_members(cluster: Cluster, count: int) -> None:
    group = f"{cluster.group}-faust"

    async def there() -> bool:
        return len(await asyncio.to_thread(cluster.members, group)) == count

    await until(there)
