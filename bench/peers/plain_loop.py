"""The plain loop an experienced hand writes in an hour: consume, decode, look up, produce.

    python -m bench.peers.plain_loop BOOTSTRAP_SERVERS TOPIC_PREFIX GROUP

At least once, without transactions: replies are not ordered after the state they speak of, a crash
repeats up to a second of both, and nothing is restored at a start. It answers every event, and
writes at most one state record an event (ours writes a recipient and its pending message apart).
"""

from __future__ import annotations

import sys
import time
from io import BytesIO
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, Producer
from fastavro import schemaless_reader

from bench.peers.acks import reply
from schemas.codec import current_schema, fields_until
from schemas.framing import Framing
from schemas.ids import rid_of
from schemas.records import RECIPIENT_TRIGGERED, Outcome
from schemas.topics import ACKS, LOG, STATE

if TYPE_CHECKING:
    from confluent_kafka import Message

_CHUNK = 10_000
_COMMIT_EVERY_S = 1.0
# librdkafka as it is tuned for throughput: lz4, small linger, deep queues, and no second of sleep
# whenever the fetch queue was full.
_CONSUMER = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "queued.min.messages": 200_000,
    "queued.max.messages.kbytes": 65_536,
    "fetch.queue.backoff.ms": 5,
}
_PRODUCER = {
    "enable.idempotence": True,
    "linger.ms": 5,
    "compression.type": "lz4",
    "queue.buffering.max.messages": 1_000_000,
    "queue.buffering.max.kbytes": 262_144,
}


class Loop:
    """Keeps recipients and pending messages in dictionaries."""

    def __init__(self, producer: Producer, prefix: str) -> None:
        framing = Framing()
        self._producer = producer
        self._acks, self._state = prefix + ACKS, prefix + STATE
        self._event_frame = framing.prefixes[RECIPIENT_TRIGGERED]
        # The first fields alone: what follows the address is carried as bytes.
        self._head = fields_until(current_schema(RECIPIENT_TRIGGERED), "email")
        self._rids: dict[bytes, int] = {}
        self._known: set[int] = set()
        self._pending: set[tuple[int, bytes]] = set()

    def process(self, message: Message) -> None:
        """Decide about one event, write the state and the reply."""
        value = message.value()
        if value is None or not value.startswith(self._event_frame):
            return  # the mailing's definition
        offset, partition, key = message.offset(), message.partition(), message.key()
        assert offset is not None
        assert partition is not None
        assert key is not None
        head: Any = schemaless_reader(BytesIO(value[len(self._event_frame) :]), self._head, None)
        rid = head["rid"] or self._rids.get(key)
        if rid is None:
            rid = self._rids[key] = rid_of(offset, partition)
            self._known.add(rid)
            outcome = Outcome.CREATED
        elif rid not in self._known:
            outcome = Outcome.UNKNOWN_RECIPIENT
        else:
            outcome = Outcome.KNOWN
        pending = (rid, head["context"])
        if pending in self._pending:
            outcome = Outcome.DUPLICATE
        elif outcome.accepted:
            self._pending.add(pending)
            self._produce(self._state, b"%d:%d" % (rid, offset), value, partition)
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


def main(bootstrap_servers: str, prefix: str, group: str, _folder: str = "") -> None:
    """Run until killed."""
    servers = {"bootstrap.servers": bootstrap_servers}
    consumer = Consumer(servers | _CONSUMER | {"group.id": group})
    producer = Producer(servers | _PRODUCER)
    loop = Loop(producer, prefix)
    consumer.subscribe([prefix + LOG])
    committed_at = time.monotonic()
    uncommitted = False
    while True:
        # `consume` alone would wait for its whole number or its whole timeout.
        first = consumer.poll(0.05)
        messages = [first, *consumer.consume(_CHUNK - 1, 0)] if first is not None else []
        for message in messages:
            if message.error() is None:
                loop.process(message)
        producer.poll(0)
        uncommitted = uncommitted or bool(messages)
        if uncommitted and (not messages or time.monotonic() - committed_at > _COMMIT_EVERY_S):
            producer.flush()
            consumer.commit(asynchronous=False)
            committed_at, uncommitted = time.monotonic(), False


if __name__ == "__main__":
    main(*sys.argv[1:])
