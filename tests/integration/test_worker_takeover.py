"""What a worker does when group, log and state do not fit together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from confluent_kafka import TopicPartition

from schemas.codec import Codec
from schemas.records import PARTITION_META
from tests.support import break_topics, raw
from tests.support.recount import Recount
from tests.support.worker import MID, ORG, all_sent

if TYPE_CHECKING:
    from producers.client import TriggerClient
    from tests.support.worker import Cluster

LOG = "mailing.recipients"
PEOPLE = [{"email": f"person{number}@example.org"} for number in range(40)]


def test_a_group_offset_that_is_gone_or_too_low_changes_no_id_and_sends_nothing_twice(
    cluster: Cluster,
) -> None:
    async def story() -> None:
        async with cluster.client() as client:
            told = [await _serve(cluster, client)]
            await asyncio.to_thread(break_topics.delete_group, cluster)
            told.append(await _serve(cluster, client))
            await asyncio.to_thread(_set_offsets, cluster, dict.fromkeys(range(4), 0))
            told.append(await _serve(cluster, client))
        assert told == [told[0]] * 3
        recount = Recount(cluster).verify()
        assert len(recount.sends) == 3 * len(PEOPLE)

    asyncio.run(story())


def test_a_group_offset_that_is_too_high_is_refused_until_it_is_reset_as_the_worker_says(
    cluster: Cluster,
) -> None:
    async def story() -> None:
        async with cluster.client() as client:
            told = await _serve(cluster, client)
            offsets = await asyncio.to_thread(break_topics.offsets, cluster)
            await asyncio.to_thread(_set_offsets, cluster, dict.fromkeys(range(4), 10**6))
            said = await _refusal(cluster)
            assert "somebody moved the offset forward" in said
            assert any(f"reset the group to {offset}" in said for offset in offsets.values())
            await asyncio.to_thread(_set_offsets, cluster, offsets)
            assert await _serve(cluster, client) == told
        Recount(cluster).verify()

    asyncio.run(story())


def test_a_log_whose_first_events_have_expired_is_taken_over_as_before(cluster: Cluster) -> None:
    async def story() -> None:
        async with cluster.client() as client:
            told = await _serve(cluster, client)
            await asyncio.to_thread(_expire, cluster)
            # Starting at an offset that is gone fails only now and then.
            for _ in range(2):
                assert await _serve(cluster, client) == told

    asyncio.run(story())


def test_state_of_a_newer_release_is_refused(cluster: Cluster) -> None:
    async def story() -> None:
        async with cluster.client() as client:
            await _serve(cluster, client)
        meta = {"seq": 10**6, "applied": 0, "topic_id": "", "partitions": 4, "fold_version": 99}
        records = [(2, b"meta", Codec().encode(PARTITION_META, meta))]
        state = cluster.topic("mailing.state")
        await asyncio.to_thread(raw.produce, cluster.bootstrap_servers, state, records)
        said = await _refusal(cluster)
        assert "fold version 99" in said
        assert "run a release at least as new" in said

    asyncio.run(story())


def test_a_log_that_was_recreated_is_refused(cluster: Cluster) -> None:
    async def story() -> None:
        async with cluster.client() as client:
            await _serve(cluster, client)
        await asyncio.to_thread(break_topics.recreate, cluster, LOG)
        said = await _refusal(cluster)
        assert "was recreated" in said
        assert "use a new topic prefix" in said

    asyncio.run(story())


async def _serve(cluster: Cluster, client: TriggerClient) -> list[int]:
    """Run a worker for one call and one invocation, and return the IDs it gave."""
    worker = cluster.start()
    await client.define(ORG, MID, name="A mailing", interval_s=0)
    rids = await client.trigger(orgid=ORG, mid=MID, recipients=PEOPLE)
    await all_sent(client)
    assert await asyncio.to_thread(worker.stop) == 0
    return rids


async def _refusal(cluster: Cluster) -> str:
    """Start a worker that ends by itself, and return its output."""
    worker = cluster.start()
    assert await asyncio.to_thread(worker.wait) > 0
    return worker.output()


def _set_offsets(cluster: Cluster, offsets: dict[int, int]) -> None:
    for partition, offset in offsets.items():
        break_topics.set_offset(cluster, partition, offset)


def _expire(cluster: Cluster) -> None:
    """Delete every event that has been applied, as retention does."""
    log = cluster.topic(LOG)
    places = [TopicPartition(log, p, o) for p, o in break_topics.offsets(cluster).items()]
    admin = cluster.admin()
    for deleted in admin.delete_records(places).values():
        deleted.result(break_topics.WITHIN_S)
