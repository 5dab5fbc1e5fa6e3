"""Rows of `mailing.statistics` as a real worker writes them and a bridge's table has them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from producers.settings import ClientSettings
from producers.statistics_reader import StatisticsReader
from schemas.topics import STATISTICS
from streams.worker.admin import create_topics
from tests.support.recount import Recount
from tests.support.topics import PARTITIONS, until_known
from tests.support.wait import eventually
from tests.support.worker import MID, ORG, all_sent, until

if TYPE_CHECKING:
    from tests.support.worker import Cluster

pytestmark = pytest.mark.embedded_will_do

PEOPLE = [{"email": f"{number}@example.org"} for number in range(20)]


def reader_of(cluster: Cluster) -> StatisticsReader:
    return StatisticsReader(ClientSettings(cluster.bootstrap_servers, topic_prefix=cluster.prefix))


async def counted(reader: StatisticsReader, *wanted: int) -> None:
    """Return when triggered, sent and pending of the only mailing are *wanted*."""

    async def right() -> bool:
        found = [(m.triggered, m.sent, m.pending) for m in reader.table.mailings(ORG)]
        return found == [wanted]

    await until(right)
    assert reader.table.off_balance == 0


async def complete(reader: StatisticsReader) -> None:
    async def is_complete() -> bool:
        return reader.table.complete

    await until(is_complete)


def test_the_last_rows_of_a_mailing_that_went_quiet_say_everything(cluster: Cluster) -> None:
    async def story() -> None:
        worker = cluster.start()
        async with cluster.client() as client, reader_of(cluster) as reader:
            await client.define(ORG, MID, name="A mailing", interval_s=0)
            await client.trigger(orgid=ORG, mid=MID, recipients=PEOPLE)
            await client.trigger(orgid=ORG, mid=MID, recipients=PEOPLE)
            await counted(reader, 40, 0, 20)
            view = await all_sent(client)
            await counted(reader, 40, 20, 0)
        async with reader_of(cluster) as late:
            await counted(late, 40, 20, 0)
            await complete(late)
        assert await asyncio.to_thread(worker.stop) == 0
        Recount(cluster).verify(views=[view])

    asyncio.run(story())


def test_a_mailing_from_before_there_were_rows_gets_them(cluster: Cluster) -> None:
    name = cluster.topic(STATISTICS)
    admin = cluster.admin()

    def made_again() -> bool:
        return name in create_topics(
            cluster.bootstrap_servers, prefix=cluster.prefix, partitions=PARTITIONS
        )

    async def story() -> None:
        worker = cluster.start()
        async with cluster.client() as client:
            await client.define(ORG, MID, name="A mailing", interval_s=0)
            await client.trigger(orgid=ORG, mid=MID, recipients=PEOPLE)
            assert await asyncio.to_thread(worker.stop) == 0
            admin.delete_topics([name])[name].result(30)
            await asyncio.to_thread(eventually, made_again)
            await asyncio.to_thread(until_known, cluster.bootstrap_servers, [name])
            cluster.start()
            async with reader_of(cluster) as reader:
                await counted(reader, 20, 0, 20)
                assert reader.table.mailings(ORG)[0].as_of_ms > 0

    asyncio.run(story())
