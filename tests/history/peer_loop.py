"""The plain loop, at least once, written with care: what a good hand makes without transactions.

    python -m tests.history.peer_loop BOOTSTRAP_SERVERS TOPIC_PREFIX GROUP

State is restored when a partition comes and dropped when it goes; everything is delivered before
offsets are committed, at each revocation too; an address's ID is made of its event's place, so a
replay gives the same one.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from fastavro import schemaless_reader

from bench.peers.acks import reply
from schemas.codec import current_schema, fields_until
from schemas.framing import Framing
from schemas.ids import rid_of
from schemas.records import RECIPIENT_TRIGGERED, Outcome
from schemas.topics import ACKS, LOG, SENDS, STATE

if TYPE_CHECKING:
    from confluent_kafka import Message

SESSION_S = 6.0
_CHUNK = 500
_COMMIT_EVERY_S = 1.0
_READ_S = 10.0


class Loop:
    """Gives each address its ID, counts its events, and sends one message for each."""

    def __init__(self, bootstrap_servers: str, prefix: str, group: str) -> None:
        self._servers = {"bootstrap.servers": bootstrap_servers, "log_level": 0}
        self._producer = Producer(self._servers | {"enable.idempotence": True, "linger.ms": 5})
        self._consumer = Consumer(
            self._servers
            | {
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "session.timeout.ms": int(1000 * SESSION_S),
            }
        )
        self._log, self._state = prefix + LOG, prefix + STATE
        self._acks, self._sends = prefix + ACKS, prefix + SENDS
        self._frame = Framing().prefixes[RECIPIENT_TRIGGERED]
        self._head = fields_until(current_schema(RECIPIENT_TRIGGERED), "email")
        # By partition and key: the ID and how many events there were.
        self._people: dict[int, dict[bytes, tuple[int, int]]] = {}

    def run(self) -> None:
        """Work until killed."""
        self._consumer.subscribe(
            [self._log], on_assign=self._take, on_revoke=self._give_up, on_lost=self._lose
        )
        committed_at = time.monotonic()
        while True:
            first = self._consumer.poll(0.05)
            messages = [] if first is None else [first, *self._consumer.consume(_CHUNK - 1, 0)]
            for message in messages:
                if message.error() is None:
                    self._process(message)
            self._producer.poll(0)
            if time.monotonic() - committed_at > _COMMIT_EVERY_S:
                self._commit()
                committed_at = time.monotonic()

    def _take(self, _: Consumer, places: list[TopicPartition]) -> None:
        for place in places:
            self._people[place.partition] = self._restored(place.partition)

    def _give_up(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        self._commit()
        self._lose(consumer, places)

    def _lose(self, _: Consumer, places: list[TopicPartition]) -> None:
        for place in places:
            self._people.pop(place.partition, None)

    def _commit(self) -> None:
        self._producer.flush()
        # Nothing to commit, or a rebalance: whoever has the partition then repeats it.
        with suppress(KafkaException):
            self._consumer.commit(asynchronous=False)

    def _process(self, message: Message) -> None:
        value, partition, offset = message.value(), message.partition(), message.offset()
        key = message.key()
        if value is None or not value.startswith(self._frame):
            return
        assert key is not None
        assert partition is not None
        assert offset is not None
        head: Any = schemaless_reader(BytesIO(value[len(self._frame) :]), self._head, None)
        people = self._people[partition]
        rid, count = people.get(key, (0, 0))
        outcome = Outcome.KNOWN if rid else Outcome.CREATED
        rid = rid or rid_of(offset, partition)
        people[key] = rid, count + 1
        self._produce(self._state, key, b"%d:%d" % (rid, count + 1), partition)
        self._produce(self._sends, None, b"%d:%d:%d" % (rid, partition, offset), partition)
        answer = reply(head["request_id"], head["index"], rid, outcome)
        self._produce(self._acks, None, answer, head["reply_partition"])

    def _produce(self, topic: str, key: bytes | None, value: bytes, partition: int) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, partition=partition)
            except BufferError:
                self._producer.poll(0.01)
            else:
                return

    def _restored(self, partition: int) -> dict[bytes, tuple[int, int]]:
        people: dict[bytes, tuple[int, int]] = {}
        reader = Consumer(self._servers | {"group.id": "restore", "enable.partition.eof": True})
        reader.assign([TopicPartition(self._state, partition, 0)])
        while (message := reader.poll(_READ_S)) is not None:
            error = message.error()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                break
            if error is None:
                key, value = message.key(), message.value()
                assert key is not None
                assert value is not None
                rid, count = map(int, value.split(b":"))
                people[key] = rid, count
        reader.close()
        return people


if __name__ == "__main__":
    Loop(*sys.argv[1:4]).run()
