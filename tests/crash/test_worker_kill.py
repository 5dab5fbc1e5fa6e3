"""A worker that is killed, and what its callers were told."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from streams.worker.settings import STORES
from tests.support.load import under_load

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
        async with under_load(cluster, seed=SEED, repeat=True, interval_s=0) as load:
            for _ in range(3):
                await load.more(rng.randint(20, 200))
                await asyncio.to_thread(worker.kill)
                worker = cluster.start(STORE=store)
            await load.more(50)
        assert load.unknown == []

    asyncio.run(story())
