"""A broker that goes away under load and comes back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.support.load import Load
from tests.support.recount import Recount
from tests.support.worker import MID, ORG, all_sent

if TYPE_CHECKING:
    from streams.embedded.broker import EmbeddedBroker
    from tests.support.worker import Cluster

pytestmark = pytest.mark.crash


@pytest.mark.timeout(180)
def test_everything_reconnects_by_itself_when_the_broker_restarts(
    own_broker: EmbeddedBroker, own_cluster: Cluster
) -> None:
    async def story() -> None:
        worker = own_cluster.start()
        async with own_cluster.client() as client:
            await client.define(ORG, MID, name="A mailing", interval_s=1)
            async with Load(client, seed=6) as load:
                for end in (own_broker.stop, own_broker.kill):
                    await load.more(50)
                    await asyncio.to_thread(end)
                    await asyncio.to_thread(own_broker.start)
                    await load.more(100)
            view = await all_sent(client)
        assert worker.running()
        Recount(own_cluster).verify(load, views=[view])

    asyncio.run(story())
