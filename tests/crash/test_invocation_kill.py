"""Workers that are killed, one after the other, while an invocation's messages are being sent."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from schemas.records import Channel
from tests.support.recount import Recount
from tests.support.worker import MID, ORG, drained

if TYPE_CHECKING:
    from tests.support.processes import Running
    from tests.support.worker import Cluster

pytestmark = pytest.mark.crash

# With messages by SMS 60,000: eight transactions or so.
PENDING = 40_000
# Each is at the broker, and a worker ends before it is committed: the first, and later ones.
KILLED_IN = (1, 3, 2)
KILLED_WITHIN_S = 180.0
# An answer may come only after all of that.
ACK_TIMEOUT_S = 300.0


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
        killed = _start(cluster, KILLED_IN[0])
        async with cluster.client(ack_timeout_s=ACK_TIMEOUT_S) as client:
            await client.define(ORG, MID, name="A mailing", interval_s=0, channels=tuple(Channel))
            rids = await client.trigger(orgid=ORG, mid=MID, recipients=people)
            invoking = asyncio.create_task(client.invoke(ORG, MID))
            for transactions in KILLED_IN[1:]:
                await _ended(killed)
                killed = _start(cluster, transactions)
            await _ended(killed)
            cluster.start()
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


def _start(cluster: Cluster, transactions: int) -> Running:
    """Start a worker that is killed in so many-th transaction of the invocation."""
    return cluster.start_at(f"in-drain:{transactions}:kill")


async def _ended(worker: Running) -> None:
    status = await asyncio.to_thread(worker.wait, within_s=KILLED_WITHIN_S)
    assert status == -signal.SIGKILL
