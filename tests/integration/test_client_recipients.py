"""Calls about recipients against a real broker; the workers are played by the test."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from producers import NotAcknowledged, RecipientRefused, UnknownRecipient
from schemas.ids import recipient_key, rid_key
from schemas.partition import partition_for
from schemas.records import RECIPIENT_ANSWER, RECIPIENT_CHANGED, RECIPIENT_QUERIED
from tests.support.clients import opened
from tests.support.fake_worker import FakeWorker, Reply
from tests.support.topics import PARTITIONS

if TYPE_CHECKING:
    from confluent_kafka import Message

    from tests.support.brokers import Broker

pytestmark = pytest.mark.embedded_will_do

EMAIL = "Ann@Example.com"


@pytest.fixture
def topics(used_topics: str) -> str:
    """The prefix of the module's topics."""
    return used_topics


def refusing(outcome: str) -> Any:
    """Answer every event alike."""

    def answer(_name: str, event: dict[str, Any], _message: Message) -> list[Reply]:
        call = {name: event[name] for name in ("request_id", "index")}
        return [(RECIPIENT_ANSWER, {**call, "outcome": outcome, "recipient": b""})]

    return answer


def test_an_event_lies_where_a_trigger_of_the_same_recipient_would(
    kafka: Broker, topics: str
) -> None:
    async def run() -> None:
        async with opened(kafka, topics) as client:
            with pytest.raises(UnknownRecipient):
                await client.recipient(2, email=EMAIL)
            with pytest.raises(UnknownRecipient):
                await client.change_recipient(2, {"status": "unsubscribed"}, rid=1026)
            # No partition can have this one, so nobody is asked.
            with pytest.raises(UnknownRecipient):
                await client.recipient(2, rid=1024 + PARTITIONS)

    answer = refusing("UNKNOWN_RECIPIENT")
    with FakeWorker(kafka.bootstrap_servers, topics, answer=answer) as worker:
        asyncio.run(run())
    (asked, _, at), (changed, change, changed_at) = worker.seen
    assert (asked, changed) == (RECIPIENT_QUERIED, RECIPIENT_CHANGED)
    key = recipient_key(2, EMAIL)
    assert (at.key(), at.partition()) == (key, partition_for(key, PARTITIONS))
    assert (changed_at.key(), changed_at.partition()) == (rid_key(2, 1026), 2)
    assert (change["status"], change["firstName"], change["email"]) == (0, None, "")


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        ("EMAIL_MISMATCH", "ADDRESS_FIXED"),
        ("TOO_LARGE", "ENTRY_TOO_LARGE"),
        ("FAILED", "FAILED"),
    ],
)
def test_what_the_log_refuses_is_named(kafka: Broker, topics: str, outcome: str, code: str) -> None:
    async def run() -> None:
        async with opened(kafka, topics) as client:
            with pytest.raises(RecipientRefused) as refused:
                await client.change_recipient(2, {}, rid=1024)
            assert [error.code for error in refused.value.errors] == [code]

    with FakeWorker(kafka.bootstrap_servers, topics, answer=refusing(outcome)):
        asyncio.run(run())


def test_what_is_wrong_with_a_change_is_named_and_nothing_is_produced(
    kafka: Broker, topics: str
) -> None:
    async def run() -> None:
        async with opened(kafka, topics) as client:
            for fields, code in (
                ({"shoeSize": 43}, "UNKNOWN_FIELD"),
                ({"email": "other@example.com"}, "ADDRESS_FIXED"),
                ({"context": 1}, "UNKNOWN_FIELD"),
                ({"profileData": {"a": "x" * 600_000}}, "ENTRY_TOO_LARGE"),
            ):
                with pytest.raises(RecipientRefused, match=code):
                    await client.change_recipient(2, fields, email=EMAIL)
            with pytest.raises(ValueError, match="by rid or by email"):
                await client.recipient(2)
            with pytest.raises(ValueError, match="by rid or by email"):
                await client.recipient(2, rid=1024, email=EMAIL)

    with FakeWorker(kafka.bootstrap_servers, topics) as worker:
        asyncio.run(run())
    assert worker.seen == []


def test_a_recipient_that_nobody_answers_for_is_not_acknowledged(
    kafka: Broker, topics: str
) -> None:
    async def run() -> None:
        async with opened(kafka, topics) as client:
            # For the answer alone: that the broker takes the event may last longer.
            client._exchange._timeout_s = 0.5
            with pytest.raises(NotAcknowledged):
                await client.recipient(2, rid=1024)

    asyncio.run(run())
