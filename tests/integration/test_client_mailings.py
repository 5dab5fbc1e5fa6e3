"""Calls about mailings against a real broker; the workers are played by the test."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from producers import ControlRefused, NotAcknowledged, UnknownMailing
from schemas.ids import mailing_key
from schemas.partition import partition_for
from schemas.records import MAILING_DEFINED, MAILING_QUERIED, ControlOutcome
from tests.support.clients import opened, with_answers
from tests.support.fake_mailings import answer_of, obeying
from tests.support.fake_worker import FakeWorker, Reply
from tests.support.topics import PARTITIONS

if TYPE_CHECKING:
    from confluent_kafka import Message

    from tests.support.brokers import Broker


@pytest.fixture
def topics(used_topics: str) -> str:
    """The prefix of the module's topics."""
    return used_topics


def test_a_mailing_is_defined_at_its_home_and_shown_with_the_sums_of_all(
    kafka: Broker, topics: str
) -> None:
    async def run() -> Any:
        async with opened(kafka, topics) as client:
            return await client.define(2, 5, name="mailing 5", dedup="RECIPIENT")

    with FakeWorker(kafka.bootstrap_servers, topics, answer=obeying) as worker:
        view = asyncio.run(run())
    name, defined, message = worker.seen[0]
    assert name == MAILING_DEFINED
    assert message.partition() == partition_for(mailing_key(2, 5), PARTITIONS)
    assert message.key() == mailing_key(2, 5)
    assert (defined["origin"], defined["revision"], defined["dedup"]) == ("REQUEST", 0, "RECIPIENT")
    assert view.created == 10 + 11 + 12 + 13
    assert view.pending == 46 + 20 - 4 - 16
    assert (view.name, view.state, view.revision) == ("mailing 5", "ACTIVE", 3)
    queried = [m.partition() for n, _, m in worker.seen if n == MAILING_QUERIED]
    assert sorted(queried) == [0, 1, 2, 3]  # type: ignore[type-var]


def test_an_invocation_counts_the_messages_of_all_partitions(kafka: Broker, topics: str) -> None:
    async def run() -> None:
        async with opened(kafka, topics) as client:
            invocation = await client.invoke(2, 5)
            assert (invocation.revision, invocation.messages) == (3, 46)

    with FakeWorker(kafka.bootstrap_servers, topics, answer=obeying):
        asyncio.run(run())


def test_a_page_of_mailings_is_sorted_and_as_long_as_asked(kafka: Broker, topics: str) -> None:
    async def run() -> None:
        async with opened(kafka, topics) as client:
            assert [view.mid for view in await client.mailings(2, limit=2)] == [5, 7]
            with pytest.raises(ValueError, match="page"):
                await client.mailings(2, limit=0)

    with FakeWorker(kafka.bootstrap_servers, topics, answer=obeying):
        asyncio.run(run())


def test_a_refused_request_raises_at_the_first_answer(kafka: Broker, topics: str) -> None:
    outcomes = iter(["UNKNOWN_MAILING", "WRONG_STATE"])

    def refusing(_name: str, event: dict[str, Any], _message: Message) -> list[Reply]:
        return [answer_of(event, 2, next(outcomes))]

    async def run() -> None:
        async with opened(kafka, topics) as client:
            with pytest.raises(UnknownMailing):
                await client.invoke(2, 5)
            with pytest.raises(ControlRefused) as refused:
                await client.invoke(2, 5)
            assert refused.value.outcome is ControlOutcome.WRONG_STATE

    with FakeWorker(kafka.bootstrap_servers, topics, answer=refusing):
        asyncio.run(run())


def test_an_unknown_mailing_is_unknown_when_no_partition_has_it(kafka: Broker, topics: str) -> None:
    def nowhere(_name: str, event: dict[str, Any], message: Message) -> list[Reply]:
        partition = message.partition()
        assert partition is not None
        return [answer_of(event, partition, "UNKNOWN_MAILING")]

    async def run() -> None:
        async with opened(kafka, topics) as client:
            with pytest.raises(UnknownMailing):
                await client.mailing(2, 5)

    with FakeWorker(kafka.bootstrap_servers, topics, answer=nowhere):
        asyncio.run(run())


def test_a_silent_partition_is_told_with_how_many_answered(kafka: Broker, topics: str) -> None:
    def three_of_four(_name: str, event: dict[str, Any], _message: Message) -> list[Reply]:
        return [answer_of(event, p) for p in range(3)]

    async def run() -> None:
        async with opened(kafka, topics) as client:
            with pytest.raises(NotAcknowledged) as caught:
                await with_answers(client, client.invoke(2, 5), 3)
            assert (caught.value.answered, caught.value.expected) == (3, PARTITIONS)

    with FakeWorker(kafka.bootstrap_servers, topics, answer=three_of_four):
        asyncio.run(run())
