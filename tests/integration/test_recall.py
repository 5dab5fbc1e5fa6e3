"""Answers read again from the acknowledgements of a real broker; the workers are a stand-in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from producers import LogUnavailable
from producers.contract.receipts import AnswerPlace, Receipt
from producers.contract.recipients import read_recipients
from schemas.ids import rid_of
from schemas.records import Outcome
from schemas.topics import ACKS
from tests.support.clients import opened, people
from tests.support.fake_worker import FakeWorker, Reply, ack, created
from tests.support.worker import until

if TYPE_CHECKING:
    from confluent_kafka import Message

    from producers import TriggerClient
    from producers.recall import Recalled
    from tests.support.brokers import Broker

pytestmark = pytest.mark.embedded_will_do


@pytest.fixture
def topics(used_topics: str) -> str:
    """The prefix of the module's topics."""
    return used_topics


def first_alone(name: str, event: dict[str, Any], message: Message) -> list[Reply]:
    return created(name, event, message) if event["index"] == 0 else []


async def handed_over(client: TriggerClient, recipients: list[Any]) -> Receipt:
    call = read_recipients(recipients)
    place = client.place(2)
    await client.hand_over(call, orgid=2, mid=1, place=place)
    return client.receipt(call, place)


async def recalled(client: TriggerClient, receipt: Receipt, count: int) -> Recalled:
    async def enough() -> Recalled | None:
        try:
            found = await client.recall(receipt)
        except LogUnavailable:
            return None
        return found if len(found.results) >= count else None

    found = await until(enough)
    assert found is not None
    return found


def test_another_client_finds_the_answers_and_only_this_calls(kafka: Broker, topics: str) -> None:
    async def run() -> tuple[Receipt, Recalled]:
        async with opened(kafka, topics) as client, opened(kafka, topics) as other:
            await client.trigger(orgid=2, mid=1, recipients=people(3))
            receipt = await handed_over(client, [*people(20), 1023])
            await client.trigger(orgid=2, mid=1, recipients=people(2))
            return receipt, await recalled(other, receipt, 20)

    with FakeWorker(kafka.bootstrap_servers, topics) as worker:
        receipt, found = asyncio.run(run())
    rids = {
        event["index"]: rid_of(message.offset() or 0, message.partition() or 0)
        for _, event, message in worker.seen
        if event["request_id"] == receipt.place.request_id
    }
    assert (receipt.expected, receipt.size, found.gone) == (20, 21, False)
    assert found.results == {index: (Outcome.CREATED, rid) for index, rid in rids.items()}


def test_the_first_answer_of_an_entry_counts_and_the_rest_may_come_later(
    kafka: Broker, topics: str
) -> None:
    async def run(worker: FakeWorker) -> tuple[Recalled, Recalled, Receipt]:
        async with opened(kafka, topics) as client:
            receipt = await handed_over(client, people(2))
            part = await recalled(client, receipt, 1)
            request_id, partition, _ = receipt.place
            event = {"request_id": request_id}
            worker.reply(partition, ack({**event, "index": 0}, 77, "KNOWN"))
            worker.reply(partition, ack({**event, "index": 1}, 88, "KNOWN"))
            moved = receipt._replace(place=receipt.place._replace(offset=part.next_offset))
            whole = await recalled(client, moved, 2)
            return part, whole, receipt

    with FakeWorker(kafka.bootstrap_servers, topics, answer=first_alone) as worker:
        part, whole, receipt = asyncio.run(run(worker))
    assert part.results.keys() == {0}
    assert part.next_offset >= receipt.place.offset
    assert whole.results == {0: part.results[0], 1: (Outcome.KNOWN, 88)}


def test_a_place_that_is_deleted_or_beyond_the_end_is_told(kafka: Broker, topics: str) -> None:
    async def run() -> tuple[Recalled, Recalled]:
        async with opened(kafka, topics) as client:
            receipt = await handed_over(client, people(2))
            await recalled(client, receipt, 2)
            request_id, partition, _ = receipt.place
            admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
            # All there is: -1 stands for the end.
            place = TopicPartition(topics + ACKS, partition, -1)
            for deleted in admin.delete_records([place]).values():
                await asyncio.to_thread(deleted.result, 20)
            beyond = Receipt(AnswerPlace(request_id, partition, 10**6), 1, 1)
            return await recalled(client, receipt, 0), await recalled(client, beyond, 0)

    with FakeWorker(kafka.bootstrap_servers, topics):
        deleted, beyond = asyncio.run(run())
    assert (deleted.results, deleted.gone, deleted.unknown) == ({}, True, False)
    assert beyond.unknown


def test_a_receipt_that_is_made_up_finds_nothing_beyond_its_size(
    kafka: Broker, topics: str
) -> None:
    async def run() -> Recalled:
        async with opened(kafka, topics) as client:
            receipt = await handed_over(client, people(3))
            await recalled(client, receipt, 3)
            return await recalled(client, receipt._replace(expected=1, size=1), 0)

    with FakeWorker(kafka.bootstrap_servers, topics):
        found = asyncio.run(run())
    assert found.results.keys() <= {0}
