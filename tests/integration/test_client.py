"""A client's triggers against a real broker; the workers are played by the test."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from producers import BulkAnswer, LogUnavailable, Overloaded, TriggerRejected
from producers.contract.entries import OnTheFlyEntry, TriggerCall
from producers.contract.recipients import read_recipients
from producers.in_flight import InFlight
from schemas.ids import rid_of
from schemas.partition import partition_for
from schemas.profiles import write_profile
from schemas.records import ACKNOWLEDGEMENT, Outcome
from schemas.topics import ACKS, LOG
from tests.support.clients import opened, people, time_is_over, with_answers
from tests.support.fake_worker import FakeWorker, Reply, ack, created, rejecting_rids
from tests.support.topics import PARTITIONS, make_topics
from tests.support.wait import eventually
from tests.support.worker import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from confluent_kafka import Message

    from tests.support.brokers import Broker


@pytest.fixture
def topics(used_topics: str) -> str:
    """The prefix of the module's topics."""
    return used_topics


def silent(_name: str, _event: dict[str, Any], _message: Message) -> list[Reply]:
    return []


# trigger


def test_ids_come_in_the_order_of_the_call(kafka: Broker, topics: str) -> None:
    async def run() -> list[int]:
        async with opened(kafka, topics) as client:
            return await client.trigger(orgid=2, mid=1, recipients=[*people(20), 1025, 4099])

    with FakeWorker(kafka.bootstrap_servers, topics) as worker:
        ids = asyncio.run(run())
    by_index = {}
    for _, event, message in worker.seen:
        offset, partition = message.offset(), message.partition()
        assert offset is not None
        assert partition is not None
        by_index[event["index"]] = rid_of(offset, partition)
    assert ids == [by_index[index] for index in range(22)]


def test_a_known_recipient_goes_to_the_partition_its_rid_names(kafka: Broker, topics: str) -> None:
    rids = [1024 + p for p in (3, 0, 2, 1, 3)]

    async def run() -> None:
        async with opened(kafka, topics) as client:
            await client.trigger(orgid=2, mid=1, recipients=[*rids, *people(3), *rids])

    with FakeWorker(kafka.bootstrap_servers, topics) as worker:
        asyncio.run(run())
    known = [(event["rid"], m) for _, event, m in worker.seen if event["rid"]]
    assert len(known) == 10
    for rid, message in known:
        assert message.partition() == rid % 1024
        assert message.key() == f"2:#{rid}".encode()


def test_an_address_meets_the_partition_of_its_key(kafka: Broker, topics: str) -> None:
    async def run() -> None:
        async with opened(kafka, topics) as client:
            await client.trigger(orgid=2, mid=1, recipients=people(50))

    with FakeWorker(kafka.bootstrap_servers, topics) as worker:
        asyncio.run(run())
    for _, _, message in worker.seen:
        key = message.key()
        assert isinstance(key, bytes)
        assert message.partition() == partition_for(key, PARTITIONS)


def test_rejected_entries_are_named_and_the_others_have_ids(kafka: Broker, topics: str) -> None:
    async def run() -> TriggerRejected:
        async with opened(kafka, topics) as client:
            with pytest.raises(TriggerRejected) as caught:
                await client.trigger(
                    orgid=2, mid=1, recipients=[{"email": "a@b.org"}, 1025, {"email": "no address"}]
                )
            return caught.value

    with FakeWorker(kafka.bootstrap_servers, topics, answer=rejecting_rids) as worker:
        rejected = asyncio.run(run())
    assert [error.index for error in rejected.errors] == [1, 2]
    assert rejected.errors[0].code == "UNKNOWN_RECIPIENT"
    assert rejected.ids[0] is not None
    assert rejected.ids[1:] == (None, None)
    assert len(worker.seen) == 2


def test_each_entry_of_a_call_is_told_apart(kafka: Broker, topics: str) -> None:
    async def run() -> list[BulkAnswer]:
        async with opened(kafka, topics) as client:
            recipients = [{"email": "a@b.org"}, 1025, {"email": "no address", "countryCode": "x"}]
            return await client.trigger_each(orgid=2, mid=1, recipients=recipients)

    with FakeWorker(kafka.bootstrap_servers, topics, answer=rejecting_rids):
        answers = asyncio.run(run())
    assert [(each.index, each.outcome) for each in answers] == [
        (0, Outcome.CREATED),
        (1, None),
        (2, None),
    ]
    assert answers[0].rid is not None
    errors = [each.error.code if each.error else None for each in answers]
    assert errors == [None, "UNKNOWN_RECIPIENT", "INVALID_EMAIL"]


def test_a_rid_of_a_partition_that_does_not_exist_never_reaches_the_log(
    kafka: Broker, topics: str
) -> None:
    async def run() -> dict[int, tuple[Outcome, int]]:
        async with opened(kafka, topics) as client:
            call = read_recipients([1023, {"email": "a@b.org"}])
            return await client.submit(call, orgid=2, mid=1)

    with FakeWorker(kafka.bootstrap_servers, topics) as worker:
        results = asyncio.run(run())
    assert results[0] == (Outcome.UNKNOWN_RECIPIENT, 0)
    assert results[1][0] is Outcome.CREATED
    assert [event["email"] for _, event, _ in worker.seen] == ["a@b.org"]


def test_an_event_above_the_limit_never_reaches_the_log(kafka: Broker, topics: str) -> None:
    entry = OnTheFlyEntry(
        0, "a@b.org", None, b"1" * 300_000, write_profile({"city": "x" * 300_000})
    )

    async def run() -> dict[int, tuple[Outcome, int]]:
        async with opened(kafka, topics) as client:
            call = TriggerCall((entry,), (), 1)
            results = await client.submit(call, orgid=2, mid=1)
            await client.trigger(orgid=2, mid=1, recipients=people(1))
            return results

    with FakeWorker(kafka.bootstrap_servers, topics) as worker:
        assert asyncio.run(run()) == {0: (Outcome.FAILED, 0)}
    assert [event["email"] for _, event, _ in worker.seen] == ["u0@domain.com"]


def test_an_entry_nobody_acknowledges_is_told_and_forgotten(kafka: Broker, topics: str) -> None:
    def forgetful(name: str, event: dict[str, Any], message: Message) -> list[Reply]:
        return [] if event["index"] == 1 else created(name, event, message)

    async def run() -> None:
        async with opened(kafka, topics) as client:
            call = client.trigger(orgid=2, mid=1, recipients=people(3))
            with pytest.raises(TriggerRejected) as caught:
                await with_answers(client, call, 2)
            (error,) = caught.value.errors
            assert (error.index, error.code, error.retriable) == (1, "NOT_ACKNOWLEDGED", True)
            assert [rid is None for rid in caught.value.ids] == [False, True, False]
            assert client.in_flight.entries == 0
            assert client.in_flight.bytes == 0
            assert not client._exchange._calls._waiting

    with FakeWorker(kafka.bootstrap_servers, topics, answer=forgetful):
        asyncio.run(run())


def test_repeated_disordered_and_foreign_answers_change_nothing(kafka: Broker, topics: str) -> None:
    held: list[dict[str, Any]] = []

    def backwards(_name: str, event: dict[str, Any], _message: Message) -> list[Reply]:
        held.append(event)
        if len(held) < 3:
            return []
        answers = [ack(e, 1024 * (e["index"] + 1), "CREATED") for e in reversed(held)]
        first, *rest = answers
        (call,) = first[1]["calls"]
        foreign = {"request_id": "of another client", "entries": call["entries"]}
        beyond = {**call, "entries": [{"index": 99, "rid": 1, "outcome": "KNOWN"}]}
        together = (ACKNOWLEDGEMENT, {"calls": [foreign, beyond, call, foreign]})
        wrong = [ack(e, 7, "KNOWN") for e in held if e["index"] == call["entries"][0]["index"]]
        return [together, *wrong, *rest, *answers]

    async def run() -> list[int]:
        async with opened(kafka, topics) as client:
            return await client.trigger(orgid=2, mid=1, recipients=people(3))

    with FakeWorker(kafka.bootstrap_servers, topics, answer=backwards) as worker:
        assert asyncio.run(run()) == [1024, 2048, 3072]
    assert len(worker.seen) == 3


def test_bytes_that_are_no_answer_are_skipped(kafka: Broker, topics: str) -> None:
    def garbage(name: str, event: dict[str, Any], message: Message) -> list[Reply]:
        for value in (b"", b"\xc3\x01garbage.", b"\x00\x00", b"\xff" * 40, b"\xc3\x01"):
            worker._producer.produce(topics + ACKS, value, partition=event["reply_partition"])
        return created(name, event, message)

    async def run() -> list[int]:
        async with opened(kafka, topics) as client:
            return await client.trigger(orgid=2, mid=1, recipients=people(2))

    with FakeWorker(kafka.bootstrap_servers, topics, answer=garbage) as worker:
        assert len(asyncio.run(run())) == 2


def test_ten_thousand_recipients_are_answered_while_a_small_call_passes(
    kafka: Broker, topics: str
) -> None:
    async def run() -> None:
        async with opened(kafka, topics) as client:
            large = asyncio.create_task(client.trigger(orgid=2, mid=1, recipients=people(10_000)))
            small = await client.trigger(orgid=2, mid=1, recipients=[{"email": "x@y.org"}])
            ids = await large
            assert len(ids) == len(set(ids)) == 10_000
            assert small[0] not in ids
            assert client.in_flight.entries == 0
            assert not client._exchange._calls._waiting

    with FakeWorker(kafka.bootstrap_servers, topics):
        asyncio.run(run())


def test_too_much_in_flight_is_refused_before_anything_is_produced(
    kafka: Broker, topics: str
) -> None:
    async def run() -> None:
        async with opened(kafka, topics) as client:
            client.in_flight = InFlight(max_entries=4)
            async with asyncio.TaskGroup() as group:
                first = group.create_task(client.trigger(orgid=2, mid=1, recipients=people(3)))
                await asyncio.sleep(0)
                with pytest.raises(Overloaded):
                    await client.trigger(orgid=2, mid=1, recipients=people(2))
                worker.answer = created
            assert len(first.result()) == 3

    with FakeWorker(kafka.bootstrap_servers, topics) as worker:
        asyncio.run(run())
    assert len(worker.seen) == 3


def test_one_request_id_is_not_used_by_two_calls_at_once(kafka: Broker, topics: str) -> None:
    async def run() -> None:
        async with opened(kafka, topics) as client:
            call = client.trigger(orgid=2, mid=1, recipients=people(1), request_id="mine")
            first = asyncio.create_task(call)
            await asyncio.sleep(0)
            with pytest.raises(ValueError, match="under way"):
                await client.trigger(orgid=2, mid=1, recipients=people(1), request_id="mine")
            time_is_over(client)
            with pytest.raises(TriggerRejected):
                await first

    with FakeWorker(kafka.bootstrap_servers, topics, answer=silent):
        asyncio.run(run())


def test_numbers_no_mailing_can_have_are_refused_before_anything_is_produced(
    kafka: Broker, topics: str
) -> None:
    async def run() -> None:
        async with opened(kafka, topics) as client:
            for orgid, mid in ((0, 1), (2, 0), (2, 2**53), (-1, 1)):
                with pytest.raises(ValueError, match="orgid and mid"):
                    await client.trigger(orgid=orgid, mid=mid, recipients=people(1))
                with pytest.raises(ValueError, match="orgid and mid"):
                    await client.invoke(orgid, mid)
            assert client.in_flight.entries == 0

    asyncio.run(run())


# post


def test_a_posted_call_is_in_the_log_when_post_returns(kafka: Broker, topics: str) -> None:
    async def run() -> None:
        async with opened(kafka, topics) as client:
            await client.post(orgid=2, mid=1, recipients=people(1200))

    late = FakeWorker(kafka.bootstrap_servers, topics)
    asyncio.run(run())
    with late as worker:
        events = worker.events(1200)
    assert {event["reply_partition"] for event in events} == {-1}
    assert {event["index"] for event in events} == set(range(1200))


def test_a_posted_call_with_a_bad_entry_produces_nothing(kafka: Broker, topics: str) -> None:
    async def run() -> None:
        async with opened(kafka, topics) as client:
            for bad in ({"email": "nobody"}, 1023):
                with pytest.raises(TriggerRejected) as caught:
                    await client.post(orgid=2, mid=1, recipients=[*people(2), bad])
                assert [error.index for error in caught.value.errors] == [2]
            await client.post(orgid=2, mid=1, recipients=[{"email": "last@y.org"}])

    late = FakeWorker(kafka.bootstrap_servers, topics)
    asyncio.run(run())
    with late as worker:
        assert [event["email"] for event in worker.events(1)] == ["last@y.org"]


@pytest.mark.embedded_will_do
def test_after_an_event_that_the_broker_refuses_the_next_call_is_taken(
    kafka: Broker, cluster_prefix: str
) -> None:
    # Topics of its own, for the others of the module have to take large requests.
    topics = cluster_prefix
    make_topics(kafka.bootstrap_servers, topics)
    limit = ConfigEntry("max.message.bytes", "5000", incremental_operation=AlterConfigOpType.SET)
    log = ConfigResource(ResourceType.TOPIC, topics + LOG, incremental_configs=[limit])
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})

    too_large = {"email": "large@y.org", "context": {"x": secrets.token_hex(10_000)}}

    async def run() -> LogUnavailable:
        async with opened(kafka, topics) as client:

            async def refused() -> LogUnavailable | None:
                try:
                    await client.post(orgid=2, mid=1, recipients=[too_large])
                except LogUnavailable as exc:
                    return exc
                return None

            admin.incremental_alter_configs([log])[log].result(10)
            # The broker obeys its new limit a moment later.
            error = await until(refused)
            await client.post(orgid=2, mid=1, recipients=[{"email": "next@y.org"}])
        assert error is not None
        return error

    with FakeWorker(kafka.bootstrap_servers, topics) as worker:
        error = asyncio.run(run())
        eventually(lambda: "next@y.org" in [event["email"] for _, event, _ in worker.seen])
    assert not error.produced


# bulk


def test_bulk_answers_come_in_order_with_what_is_wrong_by_index(kafka: Broker, topics: str) -> None:
    recipients: list[Any] = people(2000)
    recipients[700] = {"email": "no address", "nickname": "x"}
    recipients[1500] = 1025

    async def run() -> list[Any]:
        async with opened(kafka, topics) as client:
            many = client.trigger_many(orgid=2, mid=1, recipients=iter(recipients))
            return [answer async for answer in many]

    with FakeWorker(kafka.bootstrap_servers, topics, answer=rejecting_rids):
        answers = asyncio.run(run())
    wrong = [(a.index, a.error.code) for a in answers if a.error is not None]
    assert wrong == [
        (700, "INVALID_EMAIL"),
        (700, "UNKNOWN_FIELD"),
        (1500, "UNKNOWN_RECIPIENT"),
    ]
    good = [a.index for a in answers if a.error is None]
    assert good == [i for i in range(2000) if i not in {700, 1500}]
    assert all(a.rid and a.outcome is Outcome.CREATED for a in answers if a.error is None)


def test_bulk_reads_no_further_ahead_than_its_window(kafka: Broker, topics: str) -> None:
    asked = 0

    async def source() -> AsyncIterator[dict[str, object]]:
        nonlocal asked
        for each in people(20_000):
            asked += 1
            yield each

    async def run() -> None:
        async with opened(kafka, topics) as client:
            many = client.trigger_many(orgid=2, mid=1, recipients=source())
            async for answer in many:
                assert answer.index == 0
                break
            await many.aclose()
            assert client.in_flight.entries == 0

    with FakeWorker(kafka.bootstrap_servers, topics):
        asyncio.run(run())
    assert 0 < asked < 5_000


def test_bulk_stops_when_the_mailing_takes_no_triggers(kafka: Broker, topics: str) -> None:
    def no_such(_name: str, event: dict[str, Any], _message: Message) -> list[Reply]:
        return [ack(event, 0, "UNKNOWN_MAILING")]

    async def run() -> None:
        async with opened(kafka, topics) as client:
            with pytest.raises(TriggerRejected, match="INVALID_MAILING"):
                async for _ in client.trigger_many(orgid=2, mid=9, recipients=people(20_000)):
                    pass

    with FakeWorker(kafka.bootstrap_servers, topics, answer=no_such) as worker:
        asyncio.run(run())
    assert len(worker.seen) < 5_000
