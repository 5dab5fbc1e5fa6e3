"""How a client starts and speaks with a registry; and the blocking client."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from producers import (
    ClientSettings,
    LogUnavailable,
    NotSetUp,
    SyncTriggerClient,
    TriggerClient,
    TriggerRejected,
    exchange,
)
from producers.replies import Replies
from schemas.codec import Codec
from schemas.framing import SINGLE_OBJECT_BYTES, schema_text
from schemas.records import ACKNOWLEDGEMENT, NAMES, RECIPIENT_TRIGGERED
from schemas.topics import ACK_PARTITIONS, ACKS, LOG
from tests.support.clients import people
from tests.support.fake_mailings import obeying
from tests.support.fake_worker import FakeWorker, Reply, created, rejecting_rids
from tests.support.registry import RegistryStub
from tests.support.topics import PARTITIONS, until_known
from tests.support.wait import WITHIN_S

if TYPE_CHECKING:
    from confluent_kafka import Message

    from tests.support.brokers import Broker


def test_missing_topics_are_told_with_the_command_that_makes_them(
    kafka: Broker, cluster_prefix: str
) -> None:
    settings = ClientSettings(kafka.bootstrap_servers, cluster_prefix)
    with (
        pytest.raises(NotSetUp, match="mailing-trigger topics create"),
        SyncTriggerClient(settings),
    ):
        pass


def test_acknowledgements_with_other_partitions_are_refused(
    kafka: Broker, cluster_prefix: str
) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    wrong = [
        NewTopic(cluster_prefix + LOG, PARTITIONS, 1),
        NewTopic(cluster_prefix + ACKS, ACK_PARTITIONS + 1, 1),
    ]
    for future in admin.create_topics(wrong).values():
        future.result(20)
    until_known(kafka.bootstrap_servers, [cluster_prefix + LOG, cluster_prefix + ACKS])
    settings = ClientSettings(kafka.bootstrap_servers, cluster_prefix)
    with pytest.raises(NotSetUp, match="must have 8"), SyncTriggerClient(settings):
        pass


def test_a_client_whose_opening_is_cancelled_leaves_no_reader_behind(
    kafka: Broker, topics: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, over = threading.Event(), threading.Event(), threading.Event()
    start = Replies.start

    def slow(self: Replies, timeout_s: float) -> None:
        begun.set()
        assert go_on.wait(WITHIN_S)
        try:
            start(self, timeout_s)
        finally:
            over.set()

    monkeypatch.setattr(Replies, "start", slow)

    async def story() -> None:
        opening = asyncio.create_task(
            TriggerClient(ClientSettings(kafka.bootstrap_servers, topics)).__aenter__()
        )
        assert await asyncio.to_thread(begun.wait, WITHIN_S)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        # The thread that was opening it goes on; nobody waits for it any more.
        go_on.set()
        assert await asyncio.to_thread(over.wait, WITHIN_S)

    asyncio.run(story())
    assert "replies" not in {thread.name for thread in threading.enumerate()}


def test_without_a_broker_the_client_does_not_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "START_TIMEOUT_S", 1.0)
    address = "127.0.0.1:1"  # nobody listens there
    with (
        pytest.raises(LogUnavailable, match=address) as caught,
        SyncTriggerClient(ClientSettings(address)),
    ):
        pass
    assert caught.value.produced is False


def test_the_blocking_client_does_what_the_asyncio_one_does(kafka: Broker, topics: str) -> None:
    settings = ClientSettings(kafka.bootstrap_servers, topics)
    with (
        FakeWorker(kafka.bootstrap_servers, topics, answer=rejecting_rids) as worker,
        SyncTriggerClient(settings) as client,
    ):
        assert len(client.trigger(orgid=2, mid=1, recipients=people(3))) == 3
        with pytest.raises(TriggerRejected):
            client.trigger(orgid=2, mid=1, recipients=[1025])
        client.post(orgid=2, mid=1, recipients=people(1))
        answers = list(client.trigger_many(orgid=2, mid=1, recipients=people(600)))
        assert [answer.index for answer in answers] == list(range(600))
        worker.answer = obeying
        assert client.define(2, 5, name="mailing 5").mid == 5
        assert client.invoke(2, 5).messages == 46
        assert [view.mid for view in client.mailings(2)] == [5, 7, 9]


def test_with_a_registry_ids_from_it_are_written_and_new_ones_learnt(
    kafka: Broker, topics: str
) -> None:
    def by_registry(name: str, event: dict[str, Any], message: Message) -> list[Reply]:
        # As a worker that has met the registry after the client did.
        text = schema_text(ACKNOWLEDGEMENT)
        value = Codec().encode(*created(name, event, message)[0])[SINGLE_OBJECT_BYTES:]
        stub.texts.append(text + "\n")
        framed = b"\x00" + len(stub.texts).to_bytes(4, "big") + value
        worker._producer.produce(topics + ACKS, framed, partition=event["reply_partition"])
        return []

    with (
        RegistryStub() as stub,
        FakeWorker(kafka.bootstrap_servers, topics, answer=by_registry) as worker,
    ):
        settings = ClientSettings(kafka.bootstrap_servers, topics, schema_registry_url=stub.url)
        for name, text in enumerate(map(schema_text, NAMES), 1):
            worker._codec.framing.learn(name, text)
        with SyncTriggerClient(settings) as client:
            assert len(client.trigger(orgid=2, mid=1, recipients=people(1))) == 1
    (_, _, message) = worker.seen[0]
    value = message.value()
    assert isinstance(value, bytes)
    assert value[:5] == b"\x00" + (NAMES.index(RECIPIENT_TRIGGERED) + 1).to_bytes(4, "big")


def test_a_registry_that_does_not_answer_is_told_without_its_password() -> None:
    settings = ClientSettings("127.0.0.1:1", schema_registry_url="http://me:hunter2@127.0.0.1:1")
    with pytest.raises(LogUnavailable) as caught, SyncTriggerClient(settings):
        pass
    assert "127.0.0.1:1" in str(caught.value)
    assert "hunter2" not in str(caught.value)
