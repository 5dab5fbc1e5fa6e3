"""Disks that are full: the broker's, and the one that has the worker's databases."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from producers.errors import ClientError
from streams.embedded.errors import BrokerError
from tests.support import brokers
from tests.support.full_disk import SmallDisk, small_disk
from tests.support.load import under_load
from tests.support.recount import Recount
from tests.support.topics import fresh_prefix, make_topics
from tests.support.wait import eventually
from tests.support.worker import MID, ORG, Cluster, all_sent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from producers.client import TriggerClient
    from streams.embedded.broker import EmbeddedBroker
    from tests.support.processes import Processes

pytestmark = [pytest.mark.crash, pytest.mark.faults]

PEOPLE = [{"email": f"person{number}@example.org"} for number in range(500)]


@pytest.fixture
def broker_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "small", 96) as disk:
        yield disk


@pytest.fixture
def cramped(broker_disk: SmallDisk) -> Iterator[EmbeddedBroker]:
    """A broker whose data is on the small disk."""
    with brokers.embedded(broker_disk.path / "broker") as own:
        assert own.broker is not None
        yield own.broker


@pytest.fixture
def on_cramped(cramped: EmbeddedBroker, processes: Processes, tmp_path: Path) -> Cluster:
    prefix = fresh_prefix()
    make_topics(cramped.bootstrap_servers, prefix)
    return Cluster(cramped.bootstrap_servers, prefix, tmp_path, processes)


def test_nothing_answered_is_lost_when_the_broker_s_disk_is_full(
    broker_disk: SmallDisk, cramped: EmbeddedBroker, on_cramped: Cluster
) -> None:
    async def story() -> None:
        worker = on_cramped.start()
        async with under_load(on_cramped, seed=41, ack_timeout_s=8) as load:
            await load.more(100)
            broker_disk.fill()
            with pytest.raises(ClientError):
                await _until_refused(load.client)
            await asyncio.to_thread(lambda: eventually(lambda: _dead(cramped)))
            assert "the disk is full: make room" in _dead(cramped)
            broker_disk.make_room()
            await asyncio.to_thread(cramped.kill)
            await asyncio.to_thread(cramped.start)
            await load.more(100)
        assert worker.running()

    asyncio.run(story())


def test_a_full_disk_under_the_databases_ends_the_worker_and_loses_nothing(
    cluster: Cluster,
) -> None:
    async def story(disk: SmallDisk) -> None:
        async with cluster.client() as client:
            worker = cluster.start(STORE="rocksdb")
            await client.define(ORG, MID, name="A mailing", interval_s=0)
            told = await client.trigger(orgid=ORG, mid=MID, recipients=PEOPLE)
            disk.fill()
            assert await client.trigger(orgid=ORG, mid=MID, recipients=PEOPLE) == told
            await asyncio.to_thread(worker.stop)
            on_full = cluster.start(STORE="rocksdb")
            assert await asyncio.to_thread(on_full.wait) > 0
            assert str(disk.path) in on_full.output()
            assert "No space left on device" in on_full.output()
            assert "Traceback" not in on_full.output()
            disk.make_room()
            worker = cluster.start(STORE="rocksdb")
            assert await client.trigger(orgid=ORG, mid=MID, recipients=PEOPLE) == told
            await all_sent(client)
            assert await asyncio.to_thread(worker.stop) == 0
        Recount(cluster).verify()

    with small_disk(cluster.directory / "worker", 16) as disk:
        asyncio.run(story(disk))


async def _until_refused(client: TriggerClient) -> None:
    # Large, so as not to fit into what the file system rounds up.
    big = {"email": "big@example.org", "context": "x" * 100_000}
    while True:
        await client.trigger(orgid=ORG, mid=MID, recipients=[big])


def _dead(broker: EmbeddedBroker) -> str:
    """Return what the broker died of; nothing while it lives."""
    try:
        broker.check()
    except BrokerError as exc:
        return str(exc)
    return ""
