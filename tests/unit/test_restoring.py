"""Reading the changelog, with the consumer's answers in an order that seldom comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from confluent_kafka import KafkaError, Message, TopicPartition

from streams.core.partition import PartitionState
from streams.core.restore import Restore
from streams.store.memory import MemoryRecipients
from streams.worker.restoring import read_changelog
from tests.support.events import defined, log_of, triggered
from tests.support.folding import HOME, PARTITIONS, TOPIC_ID, Partition, at_home, dump

if TYPE_CHECKING:
    from confluent_kafka import Consumer

PLACE = TopicPartition("state", HOME)


class Answers:
    """A consumer whose polls answer what was written down: a list of messages each."""

    def __init__(self, *polls: list[Message]) -> None:
        self._polls = list(polls)
        self._rest: list[Message] = []

    def assign(self, places: list[TopicPartition]) -> None:
        """Begin where we begin anyway."""

    def poll(self, _timeout: float) -> Message | None:
        """Return the first of the next messages."""
        first, *self._rest = self._polls.pop(0)
        return first

    def consume(self, _count: int, _timeout: float) -> list[Message]:
        """Return the others."""
        return self._rest


def test_an_end_reached_before_records_came_does_not_cut_their_transaction_in_two() -> None:
    # As a worker finds it that was paused in a restore while its successor wrote: the end as it
    # was is still in the client's queue, and what came since is behind it, as far as fetched.
    written = Partition()
    email = at_home("a@b.org")[0]
    written.run(log_of([defined(), triggered(email=email)]))
    records = [
        Message(topic="state", partition=HOME, offset=offset, key=key, value=value)
        for offset, (key, value) in enumerate(written.output.changelog)
    ]
    assert len(records) > 2, "a transaction to be cut"
    consumer = Answers([_end(0), *records[:2]], [*records[2:], _end(len(records) + 1)])
    state = PartitionState(HOME, PARTITIONS, MemoryRecipients(), topic_id=TOPIC_ID)
    read_changelog(cast("Consumer", consumer), PLACE, Restore(state), 0, lambda: True)
    assert dump(state) == dump(written.state)


def _end(offset: int) -> Message:
    said = KafkaError(KafkaError._PARTITION_EOF)
    return Message(topic="state", partition=HOME, offset=offset, error=said)
