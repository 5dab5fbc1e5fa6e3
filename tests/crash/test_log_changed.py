"""A log that is recreated, cut or given more partitions, while its workers run and while not."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.support import break_topics, stack
from tests.support.topics import PARTITIONS
from tests.support.wait import eventually
from tests.support.worker import MID, ORG, all_sent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from producers.client import TriggerClient
    from tests.support.brokers import Broker
    from tests.support.processes import Running
    from tests.support.stack import Mailing, Stack
    from tests.support.worker import Cluster

pytestmark = [pytest.mark.crash, pytest.mark.faults]

LOG = "mailing.recipients"
PEOPLE = [{"email": f"person{number}@example.org"} for number in range(40)]
OTHERS = [{"email": f"other{number}@example.org"} for number in range(40)]


@pytest.fixture
def system(kafka: Broker, tmp_path: Path) -> Iterator[Stack]:
    """Worker and bridge of this test alone."""
    with stack.running(kafka.bootstrap_servers, tmp_path, ack_timeout_s=3.0) as started:
        yield started


def test_a_log_recreated_under_worker_and_bridge_stops_both_before_an_id_is_given_twice(
    system: Stack,
) -> None:
    mailing = system.mailing()
    told = dict(_new_people(mailing, 20))
    break_topics.recreate(system.cluster, LOG)
    refused, told_after = _call_until_refused(mailing)
    assert refused.json()["code"] == "LOG_CHANGED"
    assert "was recreated" in refused.json()["detail"]
    assert "use a new topic prefix" in refused.json()["detail"]
    assert int(refused.headers["Retry-After"]) > 0
    _ended_with(system, "was recreated", "use a new topic prefix")
    assert set(told.values()) & set(told_after.values()) == set()


def test_partitions_added_under_worker_and_bridge_stop_both_before_an_address_has_two_ids(
    system: Stack,
) -> None:
    mailing = system.mailing()
    people = [f"person{number}@example.org" for number in range(40)]
    told = {email: _id_of(mailing, email) for email in people}
    break_topics.add_partitions(system.cluster, LOG, 5)
    known: dict[str, int] = {}
    for email in (people[n % len(people)] for n in count()):
        answer = _call(mailing, email)
        if answer.status_code == 200:
            known[email] = answer.json()[0]
        elif _is_changed(answer):
            break
    assert "has 5 partitions now and had 4" in answer.json()["detail"]
    _ended_with(system, "5 partitions", "use a new topic prefix")
    assert known.items() <= told.items()
    again = system.cluster.start()
    assert again.wait() > 0
    assert "a partition count cannot be changed" in again.output()


def test_events_deleted_unread_are_refused_until_the_offset_is_set_as_the_worker_says(
    cluster: Cluster,
) -> None:
    async def story() -> None:
        async with cluster.client() as client:
            told = await _serve(cluster, client, PEOPLE)
            before = await asyncio.to_thread(break_topics.offsets, cluster)
            await client.post(orgid=ORG, mid=MID, recipients=OTHERS)
            starts = await asyncio.to_thread(break_topics.truncate, cluster, LOG)
            lost = {p: start for p, start in starts.items() if start > before.get(p, 0)}
            assert lost
            refused = cluster.start()
            assert await asyncio.to_thread(refused.wait) > 0
            said = refused.output()
            assert "events were deleted before they were read" in said
            assert any(
                f"[{partition}] starts at {start}, but offset {before.get(partition, 0)} is next"
                in said
                and f"set the offset of group {cluster.group} to {start}" in said
                for partition, start in lost.items()
            )
            for partition, start in lost.items():
                await asyncio.to_thread(break_topics.set_offset, cluster, partition, start)
            worker = cluster.start()
            await asyncio.to_thread(_takes_over, worker)
            assert "are gone, and passed over" in worker.output()
            assert await client.trigger(orgid=ORG, mid=MID, recipients=PEOPLE) == told
            new = await client.trigger(orgid=ORG, mid=MID, recipients=OTHERS)
            assert set(new) & set(told) == set()
            await all_sent(client)

    asyncio.run(story())


def test_a_worker_that_is_overtaken_by_deletion_stops_and_skips_nothing_silently(
    cluster: Cluster,
) -> None:
    async def story() -> None:
        worker = cluster.start()
        async with cluster.client() as client:
            await client.define(ORG, MID, name="A mailing", interval_s=0)
            await client.trigger(orgid=ORG, mid=MID, recipients=PEOPLE)
            worker.pause()
            await client.post(orgid=ORG, mid=MID, recipients=OTHERS)
            await asyncio.to_thread(break_topics.truncate, cluster, LOG)
            worker.resume()
            assert await asyncio.to_thread(worker.wait) > 0
        assert "events were deleted before they were read" in worker.output()

    asyncio.run(story())


async def _serve(
    cluster: Cluster, client: TriggerClient, people: list[dict[str, str]]
) -> list[int]:
    """Run a worker for one call and one invocation, and return the IDs it gave."""
    worker = cluster.start()
    await client.define(ORG, MID, name="A mailing", interval_s=0)
    rids = await client.trigger(orgid=ORG, mid=MID, recipients=people)
    await all_sent(client)
    assert await asyncio.to_thread(worker.stop) == 0
    return rids


def _takes_over(worker: Running) -> None:
    """Return when a worker that was just started has taken all partitions over."""
    eventually(
        lambda: worker.output().count("taken over: seq") >= PARTITIONS or not worker.running(),
    )
    assert worker.running(), worker.output()


def _call(mailing: Mailing, email: str) -> httpx.Response:
    return mailing.call(f'[{{"email": "{email}"}}]')


def _id_of(mailing: Mailing, email: str) -> int:
    return mailing.ids(f'[{{"email": "{email}"}}]')[0]


def _new_people(mailing: Mailing, number: int) -> Iterator[tuple[str, int]]:
    for n in range(number):
        email = f"early{n}@example.org"
        yield email, _id_of(mailing, email)


def _call_until_refused(mailing: Mailing) -> tuple[httpx.Response, dict[str, int]]:
    """Call for one new person after the other; return the first 503 and the IDs before it."""
    told: dict[str, int] = {}
    for n in count():
        answer = _call(mailing, f"late{n}@example.org")
        if answer.status_code == 200:
            told[f"late{n}@example.org"] = answer.json()[0]
        if _is_changed(answer):
            return answer, told
    raise AssertionError


def _is_changed(answer: httpx.Response) -> bool:
    # Before the bridge sees it a call may stay open, or its events find no place.
    return answer.status_code == 503 and answer.json()["code"] == "LOG_CHANGED"


def _ended_with(system: Stack, *words: str) -> None:
    assert system.worker.wait() > 0
    for said in words:
        assert said in system.worker.output()
