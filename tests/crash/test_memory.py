"""A worker that is given no more memory."""

from __future__ import annotations

import asyncio
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.load import under_load
from tests.support.worker import MID, ORG, until

if TYPE_CHECKING:
    from tests.support.processes import Running
    from tests.support.worker import Cluster

pytestmark = [
    pytest.mark.crash,
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="limits another process, as Linux can"),
]

MIB = 1024 * 1024
ROOM = 4 * MIB
BIG = [
    {"email": f"big{number}@example.org", "context": f"{number} " + "x" * 50_000}
    for number in range(1500)
]


def test_a_worker_that_runs_out_of_memory_ends_and_its_successor_loses_nothing(
    cluster: Cluster,
) -> None:
    async def story() -> None:
        worker = cluster.start()
        async with under_load(cluster, seed=51, ack_timeout_s=300) as load:
            await load.more(50)
            _allow_no_more(worker)
            asking = asyncio.create_task(load.client.trigger(orgid=ORG, mid=MID, recipients=BIG))
            await until(lambda: _ended(worker))
            cluster.start()
            rids = await asking
            assert len(set(rids)) == len(BIG)
            await load.more(50)

    asyncio.run(story())


def _allow_no_more(worker: Running) -> None:
    """Let the process have little more memory than it has."""
    status = Path(f"/proc/{worker.pid}/status").read_text(encoding="ascii")
    (size,) = (int(line.split()[1]) * 1024 for line in status.splitlines() if "VmData" in line)
    resource.prlimit(worker.pid, resource.RLIMIT_DATA, (size + ROOM, size + ROOM))


async def _ended(worker: Running) -> bool:
    return not worker.running()
