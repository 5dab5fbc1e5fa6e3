"""Mailings that are switched and changed by several callers while recipients come in."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from typing import TYPE_CHECKING

from producers.errors import TriggerRejected
from schemas.records import Channel, DedupPolicy, MailingPhase
from streams.verify.reading import STATE
from tests.support.contents import RECORDS
from tests.support.recount import Recount, read_all
from tests.support.worker import MID, ORG, all_sent, until

if TYPE_CHECKING:
    from producers.client import TriggerClient
    from producers.control import MailingView
    from tests.support.worker import Cluster

CLOSED = {"MAILING_CLOSED", "NOT_TRIGGERED"}


class Callers:
    """Callers that each trigger one new recipient after the other, until their block ends.

    `accepted` are the addresses that got an ID, `refused` counts the others by code.
    """

    def __init__(self, client: TriggerClient, *, callers: int = 4) -> None:
        self.accepted: list[str] = []
        self.refused: Counter[str] = Counter()
        self._client, self._callers = client, callers
        self._stopping = False

    async def __aenter__(self) -> Callers:
        self._tasks = [asyncio.create_task(self._call(number)) for number in range(self._callers)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        await asyncio.gather(*self._tasks)

    async def more(self, count: int = 20) -> None:
        """Return when *count* more calls have been answered."""
        wanted = len(self.accepted) + self.refused.total() + count

        async def answered() -> bool:
            for task in self._tasks:
                if task.done():
                    task.result()
            return len(self.accepted) + self.refused.total() >= wanted

        await until(answered)

    async def _call(self, caller: int) -> None:
        for number in itertools.count():
            if self._stopping:
                return
            email = f"caller{caller}-{number}@example.org"
            person = {"email": email, "smsContact": f"+4512{caller:02}{number:06}"}
            try:
                await self._client.trigger(orgid=ORG, mid=MID, recipients=[person])
            except TriggerRejected as exc:
                self.refused[exc.errors[0].code] += 1
            else:
                self.accepted.append(email)


def test_a_mailing_that_is_changed_under_load_loses_nobody(cluster: Cluster) -> None:
    async def story() -> None:
        cluster.start()
        async with cluster.client() as client:
            await client.define(ORG, MID, name="A mailing", interval_s=1)
            async with Callers(client) as callers:
                for number, dedup in enumerate((*DedupPolicy, *DedupPolicy)):
                    channels = (Channel.EMAIL,) if number % 2 else tuple(Channel)
                    await client.define(
                        ORG, MID, name=f"{number}", dedup=dedup, interval_s=1, channels=channels
                    )
                    await callers.more()
                    await client.invoke(ORG, MID)
                await client.define(ORG, MID, name="A mailing", type="periodic")
                await callers.more()
                view = await client.define(ORG, MID, name="A mailing", channels=("SMS",))
                await callers.more()
            assert (view.interval_s, view.dedup) == (15, DedupPolicy.RECIPIENT_CONTEXT)
            view = await all_sent(client)
        recount = Recount(cluster).verify(views=[view])
        assert set(callers.refused) <= CLOSED
        assert view.created == len(callers.accepted)
        assert view.rejected == callers.refused.total() > 0
        assert view.sent == view.emails + view.sms_only
        reached = {send["email"] for send in recount.sends}
        assert reached == set(callers.accepted)
        by_channel = Counter(send["channel"] for send in recount.sends)
        assert by_channel == {"EMAIL": view.emails, "SMS": view.sms}
        assert 0 < view.emails < view.sent
        assert len({send["send_id"] for send in recount.sends}) == len(recount.sends)

    asyncio.run(story())


def test_two_callers_who_suspend_and_resume_at_once_leave_one_state_everywhere(
    cluster: Cluster,
) -> None:
    async def switching(client: TriggerClient) -> None:
        for _ in range(5):
            await client.suspend(ORG, MID)
            await client.resume(ORG, MID)

    async def story() -> None:
        cluster.start()
        async with cluster.client() as one, cluster.client() as other:
            await one.define(ORG, MID, name="A mailing", interval_s=1)
            async with Callers(one) as callers:
                await asyncio.gather(switching(one), switching(other))
                view = await other.suspend(ORG, MID)
                await callers.more()
            assert callers.refused == {}
            held = await one.mailing(ORG, MID)
            assert held.state is MailingPhase.SUSPENDED
            assert held.created == len(callers.accepted)
            waiting = await _everybody(one, held)
            assert len(waiting) == held.pending > 0
            await one.resume(ORG, MID)
            sent = await all_sent(other)
        recount = Recount(cluster).verify(views=[sent])
        states = _states(cluster)
        assert len(states) == 4
        assert set(states.values()) == {("ACTIVE", view.revision + 2)}
        assert Counter(send["email"] for send in recount.sends) == Counter(callers.accepted)

    asyncio.run(story())


def test_a_cancelled_mailing_keeps_who_waits_and_shows_them(cluster: Cluster) -> None:
    async def story() -> None:
        cluster.start()
        async with cluster.client() as client:
            await client.define(ORG, MID, name="A mailing", interval_s=1)
            await client.suspend(ORG, MID)
            people = [{"email": f"person{number}@example.org"} for number in range(50)]
            rids = await client.trigger(orgid=ORG, mid=MID, recipients=people)
            view = await client.cancel(ORG, MID)
            assert (view.state, view.pending, view.sent) == (MailingPhase.CANCELLED, 50, 0)
            assert sorted(await _everybody(client, view, limit=7)) == sorted(rids)
        assert Recount(cluster).verify(views=[view]).sends == []

    asyncio.run(story())


async def _everybody(client: TriggerClient, view: MailingView, limit: int = 1000) -> list[int]:
    """Return who waits, page by page."""
    page = await client.pending(view.orgid, view.mid, limit=limit)
    rids = [*page.rids]
    while page.next is not None:
        page = await client.pending(view.orgid, view.mid, after=page.next, limit=limit)
        rids += page.rids
    return rids


def _states(cluster: Cluster) -> dict[int, tuple[str, int]]:
    """Return state and revision of the mailing in each partition, as the changelog has it."""
    found = {}
    for raw in read_all(cluster, STATE):
        if raw.key == f"m:{ORG}:{MID}".encode():
            record = RECORDS.read(raw.value)[1]
            found[raw.partition] = (record["state"], record["revision"])
    return found
