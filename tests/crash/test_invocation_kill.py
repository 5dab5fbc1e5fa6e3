"""A worker that is killed again and again while an invocation's messages are being sent."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import OffsetSpec

from schemas.records import Channel
from tests.support.recount import Recount
from tests.support.worker import MID, ORG, drained, until

if TYPE_CHECKING:
    from tests.support.worker import Cluster

pytestmark = pytest.mark.crash

# Two transactions a partition, in which a worker is killed as soon as something is written.
PENDING = 40_000
MESSAGES = PENDING + PENDING // 2
KILLS = 3
SOME = 100


def test_forty_thousand_messages_are_each_sent_once_when_workers_are_killed_in_the_middle(
    cluster: Cluster,
) -> None:
    # Every other one has a number, and so an SMS besides.
    people = [
        {"email": f"person{number}@example.org"}
        | ({"smsContact": f"+45{number:08}"} if number % 2 else {})
        for number in range(PENDING)
    ]

    async def story() -> None:
        worker = cluster.start()
        async with cluster.client() as client:
            await client.define(ORG, MID, name="A mailing", interval_s=0, channels=tuple(Channel))
            rids = await client.trigger(orgid=ORG, mid=MID, recipients=people)
            written = await asyncio.to_thread(_written, cluster)
            invoking = asyncio.create_task(client.invoke(ORG, MID))
            unfinished = 0
            for _ in range(KILLS):
                await until(partial(_has_grown, cluster, written))
                await asyncio.to_thread(worker.kill)
                written = await asyncio.to_thread(_written, cluster)
                worker = cluster.start()
                # What transactions left behind, and their marks, count as well.
                if written >= MESSAGES:
                    break
                unfinished += 1
            assert unfinished
            assert (await invoking).messages == PENDING
            # Who comes meanwhile waits for the next invocation, and can be listed.
            late = await client.trigger(orgid=ORG, mid=MID, recipients=[{"email": "l@example.org"}])
            assert list((await client.pending(ORG, MID)).rids) == late
            view = await drained(client, but=len(late))
        recount = Recount(cluster).verify(views=[view])
        by_email = [send["rid"] for send in recount.sends if send["channel"] == "EMAIL"]
        by_sms = [send["rid"] for send in recount.sends if send["channel"] == "SMS"]
        assert sorted(by_email) == sorted(rids)
        assert sorted(by_sms) == sorted(rids[1::2])
        assert (view.sent, view.emails, view.sms) == (PENDING, PENDING, PENDING // 2)

    asyncio.run(story())


async def _has_grown(cluster: Cluster, before: int) -> bool:
    # By more than the marks that a takeover leaves.
    return await asyncio.to_thread(_written, cluster) > before + SOME


def _written(cluster: Cluster) -> int:
    """Return how much lies in the sends, whether its transaction ended or not."""
    admin = cluster.admin()
    places = [TopicPartition(cluster.topic("mailing.sends"), partition) for partition in range(4)]
    ends = admin.list_offsets({place: OffsetSpec.latest() for place in places})
    return sum(end.result(10).offset for end in ends.values())
