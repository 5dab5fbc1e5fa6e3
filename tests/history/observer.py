"""Looking on from outside: how far the group is, five times a second, and every commit it made."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import KafkaException, TopicPartition

from tests.history.topics import consumer_of, read_all
from tests.support.kafka_bytes import KafkaBytes
from tests.support.topics import PARTITIONS

if TYPE_CHECKING:
    from confluent_kafka import Consumer

    from tests.history.record import History
    from tests.support.worker import Cluster

# The note of an offset that a fault committed, as somebody does by hand.
BY_HAND = "by hand"
_EVERY_S = 0.2
_ANSWER_S = 2.0


class Observer:
    """Writes the group's offsets and the log's ends to the history until the block ends."""

    def __init__(self, cluster: Cluster, history: History) -> None:
        self._cluster = cluster
        self._history = history
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._observe, name="observer")

    def __enter__(self) -> Observer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _observe(self) -> None:
        # Not an administration client: librdkafka 2.16 aborts the process when a broker goes away
        # under its `list_offsets` (assertion in rd_kafka_enq_once_del_source_return).
        consumer = consumer_of(self._cluster, committed=False)
        while not self._ending.wait(_EVERY_S):
            with suppress(KafkaException):
                self._look(consumer)
        consumer.close()

    def _look(self, consumer: Consumer) -> None:
        log = self._cluster.topic("mailing.recipients")
        places = [TopicPartition(log, partition) for partition in range(PARTITIONS)]
        committed = {
            place.partition: max(place.offset, 0) for place in consumer.committed(places, _ANSWER_S)
        }
        ends = {
            place.partition: consumer.get_watermark_offsets(place, _ANSWER_S)[1] for place in places
        }
        self._history.write("seen", committed=committed, ends=ends)


class Commit(NamedTuple):
    """An offset the group committed, and the note of who did."""

    partition: int
    offset: int
    seq: int
    owner: str


def commits(cluster: Cluster) -> list[Commit]:
    """Return every offset of the log that the group committed, in the order of commitment.

    Read from Kafka's own topic: an offset that went down for a moment is in it as well. What a
    fault committed is not the group's.
    """
    log = cluster.topic("mailing.recipients")
    found = []
    for raw in read_all(cluster, "__consumer_offsets"):
        commit = _commit(raw.key, raw.value, (cluster.group, log))
        if commit is not None:
            found.append(commit)
    return found


def _commit(key: bytes | None, value: bytes | None, whose: tuple[str, str]) -> Commit | None:
    if key is None or value is None:
        return None
    name = KafkaBytes(key)
    # Versions 0 and 1 are offsets, others are members of groups.
    if name.number(">h") > 1 or (name.text(), name.text()) != whose:
        return None
    partition = name.number(">i")
    content = KafkaBytes(value)
    version = content.number(">h")
    offset = content.number(">q")
    if version >= 3:
        content.number(">i")
    # A note that the library commits outside a transaction has C's end of a string in it.
    text = content.text(compact=version >= 4).removesuffix("\0")
    if text == BY_HAND:
        return None
    note: Any = text.split("\x1f")
    if len(note) != 3:
        return Commit(partition, offset, -1, "")
    return Commit(partition, offset, int(note[0]), note[1])
