"""A worker that is killed, and what its callers were told."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from streams.worker.settings import STORES
from tests.support.load import Load
from tests.support.recount import Recount
from tests.support.worker import MID, ORG, all_sent

if TYPE_CHECKING:
    from tests.support.worker import Cluster

pytestmark = pytest.mark.crash

SEED = 20240607


@pytest.mark.parametrize("store", STORES)
def test_nothing_answered_is_lost_when_the_worker_is_killed_in_mid_load(
    cluster: Cluster, store: str
) -> None:
    rng = random.Random(SEED)

    async def story() -> None:
        worker = cluster.start(STORE=store)
        async with cluster.client() as client:
            await client.define(ORG, MID, name="A mailing", interval_s=0)
            async with Load(client, seed=SEED, repeat=True) as load:
                for _ in range(3):
                    await load.more(rng.randint(20, 200))
                    await asyncio.to_thread(worker.kill)
                    worker = cluster.start(STORE=store)
                await load.more(50)
            view = await all_sent(client)
        Recount(cluster).verify(load, views=[view])
        assert load.unknown == []

    asyncio.run(story())
