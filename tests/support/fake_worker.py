"""A stand-in for the workers: reads the log and answers as the test says."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from schemas.codec import Codec
from schemas.ids import rid_of
from schemas.records import ACKNOWLEDGEMENT
from schemas.topics import ACKS, LOG
from tests.support.topics import PARTITIONS
from tests.support.wait import WITHIN_S, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from confluent_kafka import Message

Reply = tuple[str, dict[str, Any]]  # name of the record, and the record
Answer = "Callable[[str, dict[str, Any], Message], Iterable[Reply]]"


def created(_name: str, event: dict[str, Any], message: Message) -> list[Reply]:
    """Answer an entry as if its recipient were new."""
    offset, partition = message.offset(), message.partition()
    assert offset is not None
    assert partition is not None
    return [ack(event, rid_of(offset, partition), "CREATED")]


def rejecting_rids(name: str, event: dict[str, Any], message: Message) -> list[Reply]:
    """Answer that no recipient is known by its rid, and that the others are new."""
    if event["rid"]:
        return [ack(event, 0, "UNKNOWN_RECIPIENT")]
    return created(name, event, message)


def ack(event: dict[str, Any], rid: int, outcome: str) -> Reply:
    """Return the acknowledgement of one event."""
    entry = {"index": event["index"], "rid": rid, "outcome": outcome}
    call = {"request_id": event["request_id"], "entries": [entry]}
    return ACKNOWLEDGEMENT, {"calls": [call]}


class FakeWorker:
    """Answers events with what *answer* makes of them, until its block ends.

    All that lie behind what the log has when this is made.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        prefix: str,
        *,
        answer: Callable[[str, dict[str, Any], Message], Iterable[Reply]] = created,
    ) -> None:
        self.answer = answer
        self.seen: list[tuple[str, dict[str, Any], Message]] = []
        self._codec = Codec()
        self._acks = prefix + ACKS
        self._stopping = threading.Event()
        # A broker that restarts is met again soon, not after the default 10 s.
        where = {"bootstrap.servers": bootstrap_servers, "reconnect.backoff.max.ms": 500}
        self._producer = Producer(where | {"linger.ms": 0})
        self._consumer = Consumer(
            where
            | {
                "group.id": "fake-worker",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
            }
        )
        places = [TopicPartition(prefix + LOG, p) for p in range(PARTITIONS)]
        for place in places:
            _, place.offset = eventually(partial(self._bounds, place))
        self._consumer.assign(places)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> FakeWorker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._consumer.close()

    def reply(self, partition: int, reply: Reply) -> None:
        """Write one record to the acknowledgements."""
        name, record = reply
        self._producer.produce(
            self._acks, self._codec.encode(name, record), b"", partition=partition
        )

    def events(self, count: int) -> list[dict[str, Any]]:
        """Return the first *count* events, waiting until they are there."""
        eventually(lambda: len(self.seen) >= count)
        return [event for _, event, _ in self.seen[:count]]

    def _bounds(self, place: TopicPartition) -> tuple[int, int] | None:
        # A topic that is new has no leader for a moment, and the library does not ask again.
        with suppress(KafkaException):
            return self._consumer.get_watermark_offsets(place, WITHIN_S, cached=False)
        return None

    def _run(self) -> None:
        while not self._stopping.is_set():
            for message in self._consumer.consume(1000, 0.02):
                if message.error():
                    continue
                name, event = self._codec.decode(message.value())
                self.seen.append((name, event, message))
                if event["reply_partition"] >= 0:
                    for reply in self.answer(name, event, message):
                        self.reply(event["reply_partition"], reply)
            self._producer.poll(0)
        self._producer.flush(5)
