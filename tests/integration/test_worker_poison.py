"""Records that cannot be processed, and the events after them."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from schemas.ids import recipient_key
from schemas.partition import partition_for
from tests.support import broken_fold, raw
from tests.support.events import Event, triggered
from tests.support.load import Load
from tests.support.recount import Recount
from tests.support.wait import eventually
from tests.support.worker import MID, ORG, all_sent

if TYPE_CHECKING:
    from tests.support.worker import Cluster

GOOD = triggered(email="a@b.org")
VALUE = GOOD[1] or b""
POISON: dict[str, Event] = {
    "EMPTY": (GOOD[0], b""),
    "one byte": (GOOD[0], b"\xc3"),
    "WRONG_MAGIC": (GOOD[0], b"hello, world"),
    "UNKNOWN_FINGERPRINT": (GOOD[0], b"\xc3\x01" + bytes(8) + VALUE[10:]),
    "truncated in the head": (GOOD[0], VALUE[:13]),
    "TRUNCATED": (GOOD[0], VALUE[:-3]),
    "TRAILING_BYTES": (GOOD[0], VALUE + b"\x00"),
    "FOREIGN_KEY": (b"2:other@b.org", VALUE),
    "null key": (None, VALUE),
    "null value": (GOOD[0], None),
    "BAD_REPLY_PARTITION": triggered(email="a@b.org", reply_partition=8),
    "OVERSIZED": triggered(email="a@b.org", context=b'"%s"' % (b"x" * 600 * 1024)),
}
HOME = partition_for(recipient_key(ORG, "a@b.org"), 4)


def test_a_record_nobody_can_read_is_a_dead_letter_and_the_next_event_is_unharmed(
    cluster: Cluster,
) -> None:
    async def story() -> None:
        cluster.start()
        async with cluster.client() as client:
            await client.define(ORG, MID, name="A mailing", interval_s=0)
            written = [(HOME, key, value) for key, value in POISON.values()]
            log = cluster.topic("mailing.recipients")
            places = raw.produce(cluster.bootstrap_servers, log, written)
            (rid,) = await client.trigger(orgid=ORG, mid=MID, recipients=[{"email": "a@b.org"}])
            view = await all_sent(client)
        assert (view.triggered, view.created, view.sent) == (1, 1, 1)
        recount = Recount(cluster).verify(views=[view])
        assert [send["rid"] for send in recount.sends] == [rid]
        reasons = {
            (letter.partition, int(letter.headers["offset"])): letter.headers["reason"].decode()
            for letter in recount.dead_letters
        }
        assert list(reasons) == places
        told = zip(POISON, reasons.values(), strict=True)
        assert [(n, said) for n, said in told if n.isupper() and n != said] == []

    asyncio.run(story())


def test_an_event_the_fold_raises_on_is_a_dead_letter(cluster: Cluster) -> None:
    async def story() -> None:
        env = cluster.environment()
        module = broken_fold.__name__
        worker = cluster.processes.start_module(module, "worker", "--processes", "1", env=env)
        key = recipient_key(ORG, broken_fold.POISONED)
        partition = partition_for(key, 4)
        event = triggered(email=broken_fold.POISONED, reply_partition=-1)
        async with cluster.client() as client:
            await client.define(ORG, MID, name="A mailing", interval_s=0)
            async with Load(client, seed=1) as load:
                await load.more(20)
                log = cluster.topic("mailing.recipients")
                (place,) = raw.produce(cluster.bootstrap_servers, log, [(partition, *event)])
                await load.more(50)
            view = await all_sent(client)
        assert worker.running()
        recount = Recount(cluster, poison={place}).verify(load, views=[view])
        assert [letter.headers["reason"] for letter in recount.dead_letters] == [b"FOLD_RAISED"]
        assert load.unknown == []

    asyncio.run(story())


def test_an_event_whose_effects_the_broker_refuses_is_the_only_dead_letter(
    cluster: Cluster,
) -> None:
    async def story() -> None:
        worker = cluster.start()
        email = "large@example.org"
        # Random, or it would be compressed below the limit.
        event = triggered(
            email=email, context=b'"%s"' % os.urandom(100_000).hex().encode(), reply_partition=-1
        )
        async with cluster.client() as client:
            await client.define(ORG, MID, name="A mailing", interval_s=0)
            await asyncio.to_thread(_limit, cluster, "mailing.state", 50 * 1024)
            async with Load(client, seed=2) as load:
                await load.more(20)
                log = cluster.topic("mailing.recipients")
                partition = partition_for(recipient_key(ORG, email), 4)
                (place,) = raw.produce(cluster.bootstrap_servers, log, [(partition, *event)])
                await load.more(100)
            view = await all_sent(client)
        assert worker.running()
        recount = Recount(cluster, poison={place}).verify(load, views=[view])
        (letter,) = recount.dead_letters
        assert letter.headers["reason"] == b"TOO_LARGE_TO_PRODUCE"
        assert load.unknown == []

    asyncio.run(story())


def _limit(cluster: Cluster, name: str, size: int) -> None:
    """Let a compacted topic take nothing larger; return when the broker obeys."""
    resource = ConfigResource(
        ResourceType.TOPIC,
        cluster.topic(name),
        incremental_configs=[
            ConfigEntry(
                "max.message.bytes",
                str(size),
                incremental_operation=AlterConfigOpType.SET,
            )
        ],
    )
    admin = cluster.admin()
    admin.incremental_alter_configs([resource])[resource].result(30)
    producer = Producer({"bootstrap.servers": cluster.bootstrap_servers})
    said: list[KafkaError | None] = []

    def obeyed() -> bool:
        # Without a key it is refused in any case: first for its size, if that is too large.
        producer.produce(
            cluster.topic(name), bytes(2 * size), on_delivery=lambda error, _: said.append(error)
        )
        producer.flush()
        error = said[-1]
        assert error is not None
        return error.code() == KafkaError.MSG_SIZE_TOO_LARGE

    eventually(obeyed)
