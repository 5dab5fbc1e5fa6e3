"""A broker that goes away under load and comes back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.support.load import under_load

if TYPE_CHECKING:
    from streams.embedded.broker import EmbeddedBroker
    from tests.support.worker import Cluster

pytestmark = pytest.mark.crash


def test_everything_reconnects_by_itself_when_the_broker_restarts(
    own_broker: EmbeddedBroker, own_cluster: Cluster
) -> None:
    async def story() -> None:
        worker = own_cluster.start()
        async with under_load(own_cluster, seed=6) as load:
            for end in (own_broker.stop, own_broker.kill):
                await load.more(50)
                await asyncio.to_thread(end)
                await asyncio.to_thread(own_broker.start)
                await load.more(100)
        assert worker.running()

    asyncio.run(story())
