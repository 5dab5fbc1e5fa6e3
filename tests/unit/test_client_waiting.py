"""What a call waits for, whatever order answers come in."""

from __future__ import annotations

import asyncio

import pytest
from confluent_kafka import KafkaError

from producers.calls import Calls
from producers.contract.entries import OnTheFlyEntry
from producers.events import EventWriter
from producers.waiting import Waiting
from schemas.codec import Codec
from schemas.profiles import NO_PROFILE


def test_the_first_answer_of_an_index_wins_and_strangers_are_ignored() -> None:
    async def run() -> None:
        waiting: Waiting[str] = Waiting([0, 1])
        waiting.take([(1, "first"), (7, "stranger")], at=1.0)
        waiting.take([(1, "again")], at=2.0)
        assert not waiting.over
        waiting.take([(0, "late"), (0, "later")], at=3.0)
        assert waiting.over
        assert waiting.answers == {1: "first", 0: "late"}
        assert waiting.last_at == 3.0

    asyncio.run(run())


def test_an_undelivered_event_ends_the_wait_for_it_alone() -> None:
    async def run() -> None:
        waiting: Waiting[str] = Waiting([0, 1])
        waiting.fail(0, KafkaError(KafkaError._MSG_TIMED_OUT))
        assert not waiting.over
        waiting.take([(0, "too late"), (1, "here")], at=1.0)
        assert waiting.over
        assert waiting.answers == {1: "here"}
        assert list(waiting.undelivered) == [0]

    asyncio.run(run())


def test_a_call_without_entries_waits_for_nothing() -> None:
    async def run() -> None:
        assert Waiting([]).over

    asyncio.run(run())


def test_one_answer_may_be_enough() -> None:
    async def run() -> None:
        waiting: Waiting[str] = Waiting(range(4), enough=lambda answer: answer == "no")
        waiting.take([(2, "yes")], at=1.0)
        assert not waiting.over
        waiting.take([(1, "no")], at=1.0)
        assert waiting.over

    asyncio.run(run())


def test_a_call_that_is_over_is_forgotten_and_late_news_of_it_does_no_harm() -> None:
    async def run() -> None:
        codec = Codec()
        writer = EventWriter(codec, orgid=2, mid=1, request_id="r1", reply_partition=0)
        event = writer.encode(OnTheFlyEntry(4, "a@b.org", None, b"", NO_PROFILE))
        calls = Calls(codec.framing)
        waiting: Waiting[str] = Waiting([4])
        with calls.expecting("r1", waiting):
            assert "r1" in calls
            with pytest.raises(ValueError, match="under way"), calls.expecting("r1", waiting):
                pass
            calls.reported([(event, KafkaError(KafkaError._MSG_TIMED_OUT))])
            assert list(waiting.undelivered) == [4]
        assert "r1" not in calls
        calls.reported([(event, None)])
        calls.answered([("r1", [(4, "late")])], 1.0)
        assert waiting.answers == {}

    asyncio.run(run())
