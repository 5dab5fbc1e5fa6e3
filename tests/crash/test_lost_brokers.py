"""A client that has lost its brokers for good: whatever lives for long notices, and goes on anew.

librdkafka forgets every broker when one of them names none, as a broker does that was just fenced,
and now and then looks for none again (confluentinc/librdkafka#5301).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from producers.errors import ClientError
from producers.settings import ClientSettings
from producers.statistics_reader import StatisticsReader
from schemas.topics import SENDS
from streams.worker.watchdog import EXIT_STALLED
from tests.support import lost_command, raw
from tests.support.fake_worker import FakeWorker
from tests.support.lost_consumer import DeafConsumer, LostConsumer
from tests.support.sends import encoded
from tests.support.wait import WITHIN_S, eventually
from tests.support.worker import MID, ORG, until

if TYPE_CHECKING:
    from pathlib import Path

    from producers.client import TriggerClient
    from tests.support.worker import Cluster

pytestmark = [pytest.mark.crash, pytest.mark.faults]


async def _answered(client: TriggerClient, name: str) -> bool:
    one = {"email": f"{name}@domain.com"}
    try:
        return len(await client.trigger(orgid=ORG, mid=MID, recipients=[one])) == 1
    except ClientError:
        return False


@pytest.mark.parametrize("kind", [LostConsumer, DeafConsumer])
def test_a_client_whose_reader_has_gone_deaf_hears_answers_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, kind: type[LostConsumer]
) -> None:
    monkeypatch.setattr("producers.replies.Consumer", kind)
    monkeypatch.setattr(LostConsumer, "made", [])

    async def story() -> None:
        async with cluster.client(ack_timeout_s=5.0) as client:
            await until(lambda: _answered(client, "before"))
            # Not the only one, where the machine stalled.
            reader = LostConsumer.made[-1]
            reader.lost = True
            assert await asyncio.to_thread(reader.deaf.wait, WITHIN_S)
            await until(lambda: _answered(client, "after"))
            assert LostConsumer.made[-1] is not reader

    with FakeWorker(cluster.bootstrap_servers, cluster.prefix):
        asyncio.run(story())


def test_statistics_are_read_on_when_their_reader_has_gone_deaf(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.statistics_reader.Consumer", LostConsumer)
    monkeypatch.setattr(LostConsumer, "made", [])
    settings = ClientSettings(cluster.bootstrap_servers, topic_prefix=cluster.prefix)

    async def story() -> None:
        async with cluster.client() as client, StatisticsReader(settings) as reader:

            async def counted(triggered: int) -> bool:
                found = reader.table.mailings(ORG)
                return [each.triggered for each in found] == [triggered]

            await client.define(ORG, MID, name="A mailing")
            await client.trigger(orgid=ORG, mid=MID, recipients=[{"email": "one@domain.com"}])
            await until(lambda: counted(1))
            consumer = LostConsumer.made[-1]
            consumer.lost = True
            assert await asyncio.to_thread(consumer.deaf.wait, WITHIN_S)
            await client.trigger(orgid=ORG, mid=MID, recipients=[{"email": "two@domain.com"}])
            await until(lambda: counted(2))
            assert LostConsumer.made[-1] is not consumer

    cluster.start()
    asyncio.run(story())


def test_a_worker_whose_consumer_has_lost_every_broker_ends_so_that_others_take_over(
    cluster: Cluster, tmp_path: Path
) -> None:
    lost = tmp_path / "lost"
    worker = cluster.processes.start_module(
        lost_command.__name__,
        "worker",
        "--processes",
        "1",
        env=cluster.environment() | {lost_command.FILE: str(lost)},
    )

    async def story() -> None:
        async with cluster.client() as client:
            await client.define(ORG, MID, name="A mailing")
            assert await _answered(client, "before")
            lost.touch()
            await asyncio.to_thread(eventually, lambda: not worker.running())
            cluster.start()
            await until(lambda: _answered(client, "after"))

    asyncio.run(story())
    assert worker.popen.returncode == EXIT_STALLED
    assert "has lost every broker" in worker.output()


def test_a_deliverer_whose_consumer_has_lost_every_broker_ends_and_says_what_to_do(
    cluster: Cluster, tmp_path: Path
) -> None:
    lost, mails = tmp_path / "lost", tmp_path / "mails"
    more = {"OUTLET": str(mails), "SENDER": "Shop <shop@example.org>"}
    running = cluster.processes.start_module(
        lost_command.__name__,
        "deliver",
        env=cluster.environment(**more) | {lost_command.FILE: str(lost)},
    )
    raw.produce(cluster.bootstrap_servers, cluster.topic(SENDS), [(0, b"key", encoded(1))])
    eventually(lambda: mails.exists() and any(mails.iterdir()))
    lost.touch()
    eventually(lambda: not running.running())
    assert running.popen.returncode == 1
    assert "start it again, and it goes on where it was" in running.output()
