"""The worker started by Faust's own command, settings from the environment."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from tests.support.worker import MID, ORG, all_sent

if TYPE_CHECKING:
    from tests.support.worker import Cluster

FAUST_WEB_PORT = 6066


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_fausts_own_command_runs_a_worker_that_answers_sends_and_stops(cluster: Cluster) -> None:
    async def story() -> None:
        arguments = ("-A", "streams.worker.app", "worker")
        worker = cluster.processes.start_module("faust", *arguments, env=cluster.environment())
        async with cluster.client() as client:
            await client.define(ORG, MID, name="A mailing", interval_s=0)
            (rid,) = await client.trigger(orgid=ORG, mid=MID, recipients=[{"email": "a@b.org"}])
            view = await all_sent(client)
            assert not _listens(FAUST_WEB_PORT), "Faust's web server has no login"
        assert rid > 0
        assert (view.created, view.sent) == (1, 1)
        assert await asyncio.to_thread(worker.stop) == 0

    asyncio.run(story())
