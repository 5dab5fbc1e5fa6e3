"""Whether every committed event was answered and accepted: counted after a run, not in its time."""

from __future__ import annotations

import time
from io import BytesIO
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, TopicPartition

from schemas.codec import current_schema, read
from schemas.framing import Framing
from schemas.records import ACKNOWLEDGEMENT, Outcome
from schemas.topics import ACK_PARTITIONS, ACKS

if TYPE_CHECKING:
    from bench.log import Log

_CHUNK = 10_000
_ACCEPTED = {outcome.name for outcome in Outcome if outcome.accepted}
_WITHIN_S = 120.0


def answered_calls(log: Log) -> int:
    """Return how many different calls were accepted, by their answers in `mailing.acks`."""
    consumer = Consumer(
        {
            "bootstrap.servers": log.bootstrap_servers,
            "group.id": f"{log.prefix}replies",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.queue.backoff.ms": 5,
            "log_level": 0,
        }
    )
    frame, schema = Framing().prefixes[ACKNOWLEDGEMENT], current_schema(ACKNOWLEDGEMENT)
    requests: set[str] = set()
    unread = ACK_PARTITIONS
    deadline = time.monotonic() + _WITHIN_S
    try:
        consumer.assign(
            [TopicPartition(log.prefix + ACKS, number, 0) for number in range(ACK_PARTITIONS)]
        )
        while unread:
            assert time.monotonic() < deadline, "the replies could not be counted"
            first = consumer.poll(1.0)
            for message in [first, *consumer.consume(_CHUNK, 0)] if first is not None else []:
                value = message.value()
                if message.error() is not None or value is None:
                    unread -= 1
                else:
                    assert value.startswith(frame), "a reply of another schema"
                    body = BytesIO(value)
                    body.seek(len(frame))
                    record = read(body, schema)
                    for call in record["calls"]:
                        (entry,) = call["entries"]
                        if entry["outcome"] in _ACCEPTED:
                            requests.add(call["request_id"])
    finally:
        consumer.close()
    return len(requests)
