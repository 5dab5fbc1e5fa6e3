"""Reading the changelog, with the consumer's answers in an order that seldom comes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from streams.core.partition import PartitionState
from streams.core.restore import Restore
from streams.store.memory import MemoryRecipients
from streams.worker import restoring
from streams.worker.errors import TakeoverRefused
from streams.worker.restoring import read_changelog
from tests.support.events import defined, log_of, triggered
from tests.support.folding import HOME, PARTITIONS, TOPIC_ID, Partition, at_home, dump

if TYPE_CHECKING:
    from confluent_kafka import Consumer

PLACE = TopicPartition("state", HOME)


class Answers:
    """A consumer whose polls answer what was written down: a list of messages each, then nothing.

    Its *now* passes while it polls in vain; *end* is what a broker says when it is asked, if any.
    """

    def __init__(self, *polls: list[Message], end: int | None = None) -> None:
        self._polls = list(polls)
        self._rest: list[Message] = []
        self._end = end
        self.now = 0.0

    def assign(self, places: list[TopicPartition]) -> None:
        """Begin where we begin anyway."""

    def poll(self, timeout: float) -> Message | None:
        """Return the first of the next messages."""
        if not self._polls:
            self.now += timeout
            return None
        first, *self._rest = self._polls.pop(0)
        return first

    def consume(self, _count: int, _timeout: float) -> list[Message]:
        """Return the others."""
        return self._rest

    def get_watermark_offsets(
        self, _place: TopicPartition, *, timeout: float, cached: bool
    ) -> tuple[int, int]:
        """Return where the changelog ends, or fail as without brokers."""
        assert not cached
        if self._end is None:
            self.now += timeout
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return 0, self._end


def test_an_end_reached_before_records_came_does_not_cut_their_transaction_in_two() -> None:
    # As a worker finds it that was paused in a restore while its successor wrote: the end as it
    # was is still in the client's queue, and what came since is behind it, as far as fetched.
    written = _written()
    records = _records(written)
    assert len(records) > 2, "a transaction to be cut"
    consumer = Answers([_end(0), *records[:2]], [*records[2:], _end(len(records) + 1)])
    state = _nothing()
    read_changelog(cast("Consumer", consumer), PLACE, Restore(state), 0, lambda: True)
    assert dump(state) == dump(written.state)


@pytest.mark.parametrize(
    ("seen", "asked"),
    [
        pytest.param(None, None, id="before the end was seen"),
        pytest.param(None, 99, id="and the consumer is deaf to the brokers that are back"),
        pytest.param(9, None, id="after the end was seen"),
        pytest.param(9, 11, id="after an end that is the end no more"),
    ],
)
def test_brokers_that_go_away_in_a_restore_are_not_taken_for_a_lost_tail(
    monkeypatch: pytest.MonkeyPatch, seen: int | None, asked: int | None
) -> None:
    ends = [] if seen is None else [_end(seen)]
    consumer = Answers([*_records(_written()), *ends], end=asked)
    with pytest.raises(KafkaException):
        _wait_for_more(monkeypatch, consumer)


def test_a_changelog_that_ends_before_the_offset_is_refused_for_its_lost_tail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    consumer = Answers([*_records(_written()), _end(9)], end=9)
    with pytest.raises(TakeoverRefused, match="its tail is lost"):
        _wait_for_more(monkeypatch, consumer)


def _wait_for_more(monkeypatch: pytest.MonkeyPatch, consumer: Answers) -> None:
    """Read until a state that never comes."""
    monkeypatch.setattr(restoring, "time", SimpleNamespace(monotonic=lambda: consumer.now))
    read_changelog(cast("Consumer", consumer), PLACE, Restore(_nothing()), 1_000, lambda: True)


def _written() -> Partition:
    written = Partition()
    written.run(log_of([defined(), triggered(email=at_home("a@b.org")[0])]))
    return written


def _records(written: Partition) -> list[Message]:
    return [
        Message(topic="state", partition=HOME, offset=offset, key=key, value=value)
        for offset, (key, value) in enumerate(written.output.changelog)
    ]


def _nothing() -> PartitionState:
    return PartitionState(HOME, PARTITIONS, MemoryRecipients(), topic_id=TOPIC_ID)


def _end(offset: int) -> Message:
    said = KafkaError(KafkaError._PARTITION_EOF)
    return Message(topic="state", partition=HOME, offset=offset, error=said)
