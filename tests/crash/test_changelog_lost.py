"""A changelog that lost what it had."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from streams.verify.reading import SENDS
from streams.verify.records import Records
from tests.support import break_topics
from tests.support.recount import read_all
from tests.support.worker import MID, ORG, all_sent

if TYPE_CHECKING:
    from producers.client import TriggerClient
    from tests.support.worker import Cluster

pytestmark = [pytest.mark.crash, pytest.mark.faults]

STATE = "mailing.state"
PEOPLE = [{"email": f"person{number}@example.org"} for number in range(40)]


@pytest.mark.parametrize(
    ("store", "before"),
    [
        pytest.param("memory", break_topics.TO_END, id="all"),
        # Its last record, which says how far it goes, is there, but not everybody.
        pytest.param("memory", 1, id="its first record"),
        pytest.param("rocksdb", break_topics.TO_END, id="all, with a database"),
    ],
)
def test_a_changelog_that_lost_records_is_refused_and_made_again_as_the_worker_says(
    cluster: Cluster, store: str, before: int
) -> None:
    async def story() -> None:
        async with cluster.client() as client:
            told = await _serve(cluster, client, store)
            sent = await asyncio.to_thread(_sends, cluster)
            await asyncio.to_thread(lambda: break_topics.truncate(cluster, STATE, before=before))
            refused = cluster.start(STORE=store)
            assert await asyncio.to_thread(refused.wait) > 0
            assert "records of it were deleted" in refused.output()
            assert "Delete this topic and the consumer group" in refused.output()
            assert "Traceback" not in refused.output()

            await asyncio.to_thread(break_topics.delete_group, cluster)
            await asyncio.to_thread(break_topics.recreate, cluster, STATE)
            assert await _serve(cluster, client, store) == told
        # What was sent before is sent again under its own name, so whoever delivers drops it.
        again = await asyncio.to_thread(_sends, cluster)
        assert sent.items() <= again.items()
        assert len(again) == 2 * len(PEOPLE)

    asyncio.run(story())


async def _serve(cluster: Cluster, client: TriggerClient, store: str) -> list[int]:
    """Run a worker for one call and one invocation, and return the IDs it gave."""
    worker = cluster.start(STORE=store)
    await client.define(ORG, MID, name="A mailing", interval_s=0)
    rids = await client.trigger(orgid=ORG, mid=MID, recipients=PEOPLE)
    await all_sent(client)
    assert await asyncio.to_thread(worker.stop) == 0
    return rids


def _sends(cluster: Cluster) -> dict[str, tuple[int, bytes]]:
    """Return what was sent by send_id; fail when one was sent again with another content."""
    records, found = Records(), {}
    for raw in read_all(cluster, SENDS):
        send = records.read(raw.value)[1]
        what = (send["rid"], raw.value or b"")
        assert found.setdefault(send["send_id"], what) == what
    return found
