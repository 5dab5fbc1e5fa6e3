"""The same job as Quix Streams' guide writes it: a stateful `apply`, then `to_topic`.

    python -m bench.peers.quix_streams BOOTSTRAP_SERVERS TOPIC_PREFIX GROUP FOLDER

At least once. Quix keeps state in RocksDB and writes its changelog; it has no state without it
(its state in memory is for windows and tests). State belongs to a message's key, so an event that
names a rid finds what belongs to the key of that rid, not the recipient: it is answered as known.
Of each key it keeps the recipient and every pending message, by its context.
"""

from __future__ import annotations

import sys
from io import BytesIO
from typing import TYPE_CHECKING, Any

from fastavro import schemaless_reader
from quixstreams import Application, message_context

from bench.peers.acks import reply
from schemas.codec import current_schema, fields_until
from schemas.framing import Framing
from schemas.ids import rid_of
from schemas.partition import partition_for
from schemas.records import RECIPIENT_TRIGGERED, Outcome
from schemas.topics import ACK_PARTITIONS, ACKS, LOG

if TYPE_CHECKING:
    from quixstreams import State


class Answer(bytes):
    """A reply, and a key that belongs to its partition: `to_topic` has no other way to one."""

    key: bytes


_KEYS = {partition_for(b"%d" % number, ACK_PARTITIONS): b"%d" % number for number in range(100)}


def create_application(bootstrap_servers: str, prefix: str, group: str, folder: str) -> Application:
    """Return the application with its one stream."""
    app = Application(
        broker_address=bootstrap_servers,
        consumer_group=group,
        auto_offset_reset="earliest",
        processing_guarantee="at-least-once",
        # As the other peers; the default is 5 s.
        commit_interval=1.0,
        state_dir=folder,
        # RocksDB's options stay: bloom filters, 1 GiB of cache and lz4 are Quix's defaults.
        # librdkafka as it is tuned for throughput: as in the plain loop.
        consumer_extra_config={
            "queued.min.messages": 200_000,
            "queued.max.messages.kbytes": 65_536,
            "fetch.queue.backoff.ms": 5,
        },
        producer_extra_config={
            "linger.ms": 5,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 262_144,
        },
        loglevel="WARNING",
    )
    frame = Framing().prefixes[RECIPIENT_TRIGGERED]
    head_schema = fields_until(current_schema(RECIPIENT_TRIGGERED), "email")
    log = app.topic(prefix + LOG, key_deserializer="bytes", value_deserializer="bytes")
    acks = app.topic(prefix + ACKS, key_serializer="bytes", value_serializer="bytes")

    def trigger(value: bytes, state: State) -> Answer:
        head: Any = schemaless_reader(BytesIO(value[len(frame) :]), head_schema, None)
        known = state.get_bytes("recipient")
        if known is not None or head["rid"]:
            rid = int.from_bytes(known[:8], "big") if known else head["rid"]
            outcome = Outcome.KNOWN
        else:
            at = message_context()
            rid = rid_of(at.offset, at.partition)
            outcome = Outcome.CREATED
            state.set_bytes("recipient", rid.to_bytes(8, "big") + value)
        pending = head["context"].decode()
        if state.exists(pending):
            outcome = Outcome.DUPLICATE
        else:
            state.set_bytes(pending, value)
        answer = Answer(reply(head["request_id"], head["index"], rid, outcome))
        answer.key = _KEYS[head["reply_partition"]]
        return answer

    stream = app.dataframe(log)
    stream = stream.filter(lambda value: value.startswith(frame))
    stream = stream.apply(trigger, stateful=True)
    stream.to_topic(acks, key=lambda answer: answer.key)
    return app


def main(bootstrap_servers: str, prefix: str, group: str, folder: str) -> None:
    """Run until killed."""
    create_application(bootstrap_servers, prefix, group, folder).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
