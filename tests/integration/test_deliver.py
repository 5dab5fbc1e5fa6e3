"""`mailing-trigger deliver` between real topics and a real mail server."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from mailing_trigger.delivery.offsets import done_of
from schemas.topics import SENDS, UNDELIVERED
from tests.support import raw
from tests.support.mail_server import MailServer, mail_server
from tests.support.ports import own_port
from tests.support.sends import encoded, record
from tests.support.topics import PARTITIONS
from tests.support.wait import eventually
from tests.support.worker import MID, ORG, all_sent

if TYPE_CHECKING:
    from confluent_kafka import Message

    from tests.support.processes import Running
    from tests.support.worker import Cluster

pytestmark = pytest.mark.embedded_will_do

# Where messages are counted: who loses its partitions in a stall repeats some. No longer, for one
# that is killed keeps them so long, and one that lives hears of another after a third of it.
UNHURRIED = {"SESSION_TIMEOUT_S": "12"}


def deliver(cluster: Cluster, port: int, *flags: str, **more: str) -> Running:
    """Start a deliverer to the mail server at *port*."""
    chosen = {
        "OUTLET": f"smtp+plain://127.0.0.1:{port}",
        "SENDER": "Shop <shop@example.org>",
        "DELIVER_GROUP": f"{cluster.prefix}deliver",
    }
    env = cluster.environment(**(chosen | more))
    return cluster.processes.start("deliver", *flags, env=env)


def ask_for(cluster: Cluster, count: int) -> set[str]:
    """Write *count* sends as a worker would; return the Message-IDs their mails will have."""
    sends = [(n % PARTITIONS, b"key", encoded(n)) for n in range(count)]
    raw.produce(cluster.bootstrap_servers, cluster.topic(SENDS), sends)
    return {message_id(cluster, n) for n in range(count)}


def message_id(cluster: Cluster, number: int) -> str:
    return f"<{cluster.prefix}{record(number)['send_id'].replace(':', '.')}@example.org>"


def all_there(server: MailServer, wanted: set[str], running: Running) -> None:
    """Wait until the server has everything that is wanted."""

    def missing() -> bool:
        assert running.running(), running.output()
        return wanted <= set(server.ids())

    eventually(missing)


def undelivered(cluster: Cluster) -> list[Message]:
    """What was laid aside."""
    from confluent_kafka import Consumer

    topic = cluster.topic(UNDELIVERED)
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap_servers, "group.id": "nobody"})
    found = []
    try:
        for partition in range(PARTITIONS):
            place = TopicPartition(topic, partition, 0)
            _, end = consumer.get_watermark_offsets(place, timeout=30)
            consumer.assign([place])
            while end:
                message = consumer.poll(10)
                assert message is not None
                assert message.error() is None
                found.append(message)
                if (message.offset() or 0) + 1 >= end:
                    break
    finally:
        consumer.close()
    return found


def reasons(cluster: Cluster) -> Counter[str]:
    return Counter(dict(message.headers())["reason"].decode() for message in undelivered(cluster))


def test_a_call_becomes_a_mail_and_what_is_refused_is_delivered_later(cluster: Cluster) -> None:
    async def call() -> None:
        async with cluster.client() as client:
            await client.define(ORG, MID, name="A mailing", interval_s=0)
            people = [
                {"email": f"{name}@example.com", "firstName": name} for name in ("ada", "eve")
            ]
            await client.trigger(orgid=ORG, mid=MID, recipients=people)
            await all_sent(client)

    cluster.start()
    # Nobody listens there yet: that costs no message anything.
    port = own_port()
    running = deliver(cluster, port, UNSUBSCRIBE_BOUNCES="true")
    asyncio.run(call())
    raw.produce(cluster.bootstrap_servers, cluster.topic(SENDS), [(0, b"key", b"no send")])
    eventually(lambda: "the outlet takes nothing (SMTP_SILENT)" in running.output())
    with mail_server(port=port) as server:
        server.answers["eve@example.com"] = ["550 5.1.1 eve@example.com is unknown"]
        eventually(lambda: sum(reasons(cluster).values()) == 2 and server.mails())
        assert reasons(cluster) == {"SMTP_550": 1, "WRONG_MAGIC": 1}
        ((to, mail),) = server.mails()
        assert (to, mail["Subject"]) == ("ada@example.com", "Mailing 1 for ada")
        assert running.stop() == 0, running.output()
        assert "example.com" not in running.output()
        assert asyncio.run(statuses(cluster, "ada@example.com", "eve@example.com")) == [1, 0]

        again = deliver(cluster, port, "--again")
        assert again.wait() == 0, again.output()
        assert [to for to, _ in server.mails()] == ["ada@example.com", "eve@example.com"]
        # What nobody can read is laid aside once more.
        assert reasons(cluster) == {"SMTP_550": 1, "WRONG_MAGIC": 2}


async def statuses(cluster: Cluster, *emails: str) -> list[int]:
    async with cluster.client() as client:
        return [int((await client.recipient(ORG, email=email)).status) for email in emails]


def test_a_deliverer_that_ends_in_order_repeats_nothing_and_one_that_is_killed_little(
    cluster: Cluster,
) -> None:
    wanted = ask_for(cluster, 400)
    with mail_server() as server:
        # One that waits for another try must not make its successors repeat all that came after.
        server.answers["user0@example.com"] = ["451 later"] * 3
        server.room = 100
        first = deliver(cluster, server.port, **UNHURRIED)
        eventually(lambda: len(server.ids()) == 100)
        assert first.stop() == 0, first.output()
        assert len(server.ids()) == len(set(server.ids())) == 100
        committed = done_by_commit(cluster)
        assert committed == 100

        server.room = 250
        second = deliver(cluster, server.port, **UNHURRIED)
        eventually(lambda: len(server.ids()) == 250)
        second.kill()
        before = server.ids()
        assert len(before) == len(set(before))

        server.room = None
        third = deliver(cluster, server.port)
        all_there(server, wanted, third)
        assert third.stop() == 0, third.output()
        assert set(server.ids()) == wanted
        # Only what the killed one had not committed yet.
        assert len(server.ids()) - len(wanted) <= 150


def done_by_commit(cluster: Cluster) -> int:
    """How many sends the group's commits say are done."""
    places = [TopicPartition(cluster.topic(SENDS), p) for p in range(PARTITIONS)]
    asked = [ConsumerGroupTopicPartitions(f"{cluster.prefix}deliver", places)]
    admin = cluster.admin()
    (group,) = admin.list_consumer_group_offsets(asked).values()
    return sum(
        max(place.offset, 0) + len(done_of(place.offset, place.metadata))
        for place in group.result(30).topic_partitions
    )


def test_deliverers_that_come_and_go_share_the_work_and_repeat_nothing(cluster: Cluster) -> None:
    wanted = ask_for(cluster, 500)
    with mail_server() as server:
        first = deliver(cluster, server.port, **UNHURRIED)
        eventually(lambda: len(server.ids()) > 100)
        second = deliver(cluster, server.port, **UNHURRIED)
        eventually(lambda: len(cluster.members(f"{cluster.prefix}deliver")) == 2)
        more = [(n % PARTITIONS, b"key", encoded(n)) for n in range(500, 700)]
        raw.produce(cluster.bootstrap_servers, cluster.topic(SENDS), more)
        wanted |= {message_id(cluster, n) for n in range(500, 700)}
        eventually(lambda: all(cluster.members(f"{cluster.prefix}deliver").values()))
        assert first.stop() == 0, first.output()
        all_there(server, wanted, second)
        assert second.stop() == 0, second.output()
        assert Counter(server.ids()) == Counter(wanted)


def test_what_cannot_begin_says_so_in_one_line(cluster: Cluster) -> None:
    nowhere = cluster.processes.start("deliver", env=cluster.environment())
    assert nowhere.wait() == 1
    assert "--outlet" in nowhere.output()
    wrong = deliver(cluster, 1, TOPIC_PREFIX="no-such-prefix.")
    assert wrong.wait() == 1
    assert "no-such-prefix.mailing.sends does not exist" in wrong.output().splitlines()[-1]
