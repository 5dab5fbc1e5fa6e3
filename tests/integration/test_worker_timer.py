"""Mailings that are invoked by themselves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.support.recount import Recount
from tests.support.worker import MID, ORG, drained

if TYPE_CHECKING:
    from tests.support.worker import Cluster


def test_a_mailing_is_invoked_by_itself_also_after_a_restart(cluster: Cluster) -> None:
    async def story() -> None:
        worker = cluster.start()
        async with cluster.client() as client:
            await client.define(ORG, MID, name="A mailing", interval_s=1)
            await client.trigger(orgid=ORG, mid=MID, recipients=[{"email": "one@example.org"}])
            assert (await drained(client)).sent == 1
            await client.trigger(orgid=ORG, mid=MID, recipients=[{"email": "two@example.org"}])
            assert await asyncio.to_thread(worker.stop) == 0
            cluster.start()
            view = await drained(client)
        assert view.sent == 2
        Recount(cluster).verify(views=[view])

    asyncio.run(story())
