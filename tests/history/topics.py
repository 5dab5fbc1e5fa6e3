"""What a run left in the topics, read to the end by a plain consumer and decoded by `fastavro`."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

import fastavro
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from tests.support.topics import PARTITIONS
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.worker import Cluster

REST_WITHIN_S = 60.0
_ANSWER_S = 5.0
_READ_S = 30.0
_AT_ONCE = 2_000
_FRAME_BYTES = 10
_SEND = "RecipientSend"
_NAMES = (
    "RecipientTriggered",
    "MailingInvoked",
    "Acknowledgement",
    "PartitionMeta",
    _SEND,
)


class Raw(NamedTuple):
    """A record as the broker gave it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class Event(NamedTuple):
    """A recipient event of the log, and the call that it says it is of."""

    partition: int
    offset: int
    call: int
    index: int
    org: int
    mid: int
    rid: int
    email: str
    sha: str
    # (reply partition, request id, index)
    asked: tuple[int, str, int]


class Told(NamedTuple):
    """An entry of an acknowledgement."""

    asked: tuple[int, str, int]
    rid: int
    outcome: str


@dataclass(frozen=True)
class Topics:
    """The topics of *cluster*; each is read once, when it is asked for."""

    cluster: Cluster

    def read(self, name: str, *, committed: bool = True) -> list[Raw]:
        """Return every record of a topic of ours."""
        return read_all(self.cluster, self.cluster.topic(name), committed=committed)

    @cached_property
    def log(self) -> list[Raw]:
        """The log."""
        return self.read("mailing.recipients")

    @cached_property
    def events(self) -> list[Event]:
        """The recipient events of the log, partition by partition."""
        return [_event(raw, record) for raw, record in _records(self.log, "RecipientTriggered")]

    @cached_property
    def invocations(self) -> list[dict[str, Any]]:
        """The invocations in the log, by request, timer and copy."""
        return [record for _, record in _records(self.log, "MailingInvoked")]

    @cached_property
    def told(self) -> list[Told]:
        """What callers were told about entries, repeats included."""
        acks = self.read("mailing.acks")
        return [
            Told(
                (raw.partition, call["request_id"], entry["index"]), entry["rid"], entry["outcome"]
            )
            for raw, record in _records(acks, "Acknowledgement")
            for call in record["calls"]
            for entry in call["entries"]
        ]

    @property
    def sends(self) -> list[str]:
        """The send_id of each message that was sent."""
        return [record["send_id"] for _, record in _records(self.read("mailing.sends"), _SEND)]

    @cached_property
    def state(self) -> list[Raw]:
        """The changelog."""
        return self.read("mailing.state")

    @cached_property
    def metas(self) -> list[tuple[int, int, int]]:
        """The (partition, seq, applied) of every transaction in the changelog, in its order."""
        records = _records([raw for raw in self.state if raw.key == b"meta"], "PartitionMeta")
        return [(raw.partition, meta["seq"], meta["applied"]) for raw, meta in records]


def at_rest(cluster: Cluster) -> None:
    """Return when the log is read to its end and no transaction is open; AssertionError if not."""
    eventually(lambda: is_at_rest(cluster), within_s=REST_WITHIN_S, every_s=0.2)


def consumer_of(cluster: Cluster, *, committed: bool) -> Consumer:
    """Return a consumer that joins no group and knows the offsets of the workers' own."""
    return Consumer(
        {
            "bootstrap.servers": cluster.bootstrap_servers,
            "group.id": cluster.group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            # Also whether to wait for offsets of transactions that are open.
            "isolation.level": "read_committed" if committed else "read_uncommitted",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
            "reconnect.backoff.max.ms": 1000,
            "log_level": 0,
        }
    )


def read_all(cluster: Cluster, topic: str, *, committed: bool = True) -> list[Raw]:
    """Return every record of *topic*, those of aborted transactions too unless *committed*."""
    consumer = consumer_of(cluster, committed=committed)
    try:
        unread = set(consumer.list_topics(topic, _READ_S).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, partition, 0) for partition in unread])
        records: dict[int, list[Raw]] = {partition: [] for partition in sorted(unread)}
        while unread:
            first = consumer.poll(_READ_S)
            assert first is not None, f"{topic} could not be read to its end"
            for message in (first, *consumer.consume(_AT_ONCE, 0)):
                error, partition = message.error(), message.partition() or 0
                if error is None:
                    record = (message.offset() or 0, message.key(), message.value())
                    records[partition].append(Raw(partition, *record))
                elif error.code() == KafkaError._PARTITION_EOF:
                    unread.discard(partition)
        return [record for each in records.values() for record in each]
    finally:
        consumer.close()


def is_at_rest(cluster: Cluster) -> bool:
    """Whether the group has committed the log to its end; False when the broker is away, too."""
    consumer = consumer_of(cluster, committed=True)
    log = cluster.topic("mailing.recipients")
    places = [TopicPartition(log, partition) for partition in range(PARTITIONS)]
    try:
        committed = consumer.committed(places, _ANSWER_S)
        ends = [consumer.get_watermark_offsets(place, _ANSWER_S)[1] for place in places]
    except KafkaException:
        return False
    finally:
        consumer.close()
    return all(place.offset == end or not end for place, end in zip(committed, ends, strict=True))


def committed_of(cluster: Cluster) -> dict[int, int]:
    """Return the group's offset in each partition of the log."""
    consumer = consumer_of(cluster, committed=True)
    log = cluster.topic("mailing.recipients")
    places = [TopicPartition(log, partition) for partition in range(PARTITIONS)]
    try:
        return {each.partition: each.offset for each in consumer.committed(places, _ANSWER_S)}
    finally:
        consumer.close()


def ends_of(cluster: Cluster, name: str) -> list[int]:
    """Return where each partition of a topic of ours ends; nothing when the broker cannot say."""
    topic = cluster.topic(name)
    consumer = consumer_of(cluster, committed=False)
    try:
        partitions = sorted(consumer.list_topics(topic, _ANSWER_S).topics[topic].partitions)
        places = [TopicPartition(topic, partition) for partition in partitions]
        return [consumer.get_watermark_offsets(place, _ANSWER_S)[1] for place in places]
    except KafkaException:
        return []
    finally:
        consumer.close()


def _records(raws: list[Raw], name: str) -> Iterator[tuple[Raw, dict[str, Any]]]:
    frame, schema = _FORMS[name]
    for raw in raws:
        if raw.value is not None and raw.value.startswith(frame):
            body = io.BytesIO(raw.value[_FRAME_BYTES:])
            record: Any = fastavro.schemaless_reader(body, schema, None)
            yield raw, record


def _event(raw: Raw, record: dict[str, Any]) -> Event:
    number = (record["lastName"] or "").removeprefix("call ")
    return Event(
        raw.partition,
        raw.offset,
        int(number) if number.isdigit() else -1,
        record["index"],
        record["orgid"],
        record["mid"],
        record["rid"],
        record["email"],
        hashlib.sha256(record["context"]).hexdigest(),
        (record["reply_partition"], record["request_id"], record["index"]),
    )


def _form(name: str) -> tuple[bytes, Any]:
    text = resources.files("schemas").joinpath("avro", f"{name}.avsc").read_text("utf-8")
    schema = json.loads(text)
    fingerprint = fastavro.schema.fingerprint(
        fastavro.schema.to_parsing_canonical_form(schema), "CRC-64-AVRO"
    )
    return b"\xc3\x01" + bytes.fromhex(fingerprint), fastavro.parse_schema(schema)


_FORMS = {name: _form(name) for name in _NAMES}
