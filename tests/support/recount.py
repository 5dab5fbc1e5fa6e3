"""Counting again what a test left in the topics, with a reader that is not the product's.

Topics are read from their first offset to the end with a plain consumer and decoded by the
official ``avro`` package; what has to be in them is what `tests.support.model` makes of the log.
"""

from __future__ import annotations

import io
import json
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

import avro.schema
from avro.io import BinaryDecoder, DatumReader
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    TopicPartition,
)
from confluent_kafka.admin import OffsetSpec

from tests.support.model import COUNTERS, Model, same_person
from tests.support.wait import eventually
from tests.support.worker import ORG

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from confluent_kafka.admin import AdminClient

    from producers.control import MailingView
    from tests.support.load import Load
    from tests.support.worker import Cluster

READ_WITHIN_S = 30.0
_TOPICS = (
    "mailing.recipients",
    "mailing.acks",
    "mailing.sends",
    "mailing.dead-letters",
    "mailing.state",
)
_NAMES = (
    "RecipientTriggered",
    "MailingDefined",
    "MailingInvoked",
    "MailingQueried",
    "Acknowledgement",
    "MailingAnswer",
    "RecipientSend",
    "DeadLetter",
    "RecipientState",
    "RecipientBatch",
    "MailingState",
    "PendingState",
    "PartitionMeta",
    "PoisonState",
)


class Raw(NamedTuple):
    """A record as the broker gave it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]


def read_all(bootstrap_servers: str, topic: str, *, committed: bool = True) -> list[Raw]:
    """Return every record of *topic* in the order of each partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "recount",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed" if committed else "read_uncommitted",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
        }
    )
    try:
        partitions = consumer.list_topics(topic, READ_WITHIN_S).topics[topic].partitions
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        unread = set(partitions)
        records = []
        while unread:
            message = consumer.poll(READ_WITHIN_S)
            assert message is not None, f"{topic} could not be read to its end"
            error = message.error()
            if error is None:
                records.append(_raw(message))
            elif error.code() == KafkaError._PARTITION_EOF:
                unread.discard(message.partition())
        return records
    finally:
        consumer.close()


def _ends(
    admin: AdminClient, places: Collection[TopicPartition], level: IsolationLevel
) -> dict[tuple[str, int], int]:
    asked = {place: OffsetSpec.latest() for place in places}
    listed = admin.list_offsets(asked, isolation_level=level)
    return {(place.topic, place.partition): end.result().offset for place, end in listed.items()}


def _raw(message: Any) -> Raw:
    headers = dict(message.headers() or ())
    return Raw(message.partition(), message.offset(), message.key(), message.value(), headers)


class Reader:
    """Decodes records; *ids* are (record name, schema id) of a registry."""

    def __init__(self, ids: Collection[tuple[str, int]] = ()) -> None:
        self._readers: dict[bytes, tuple[str, DatumReader]] = {}
        self._frames: dict[str, bytes] = {}
        for name in _NAMES:
            text = resources.files("schemas").joinpath("avro", f"{name}.avsc").read_text("utf-8")
            schema = avro.schema.parse(text)
            frame = b"\xc3\x01" + schema.fingerprint("CRC-64-AVRO")
            self._frames[name] = frame
            self._readers[frame] = (name, DatumReader(schema, schema))
            for named, schema_id in ids:
                if named == name:
                    confluent = b"\x00" + schema_id.to_bytes(4, "big")
                    self._readers[confluent] = self._readers[frame]

    def split(self, value: bytes) -> tuple[str, DatumReader, bytes]:
        """Return name, reader and body of a record; KeyError when it is none of ours."""
        size = 10 if value[:1] == b"\xc3" else 5
        return *self._readers[value[:size]], value[size:]

    def read(self, value: bytes | None) -> tuple[str, dict[str, Any]]:
        """Return a record's name and fields."""
        assert value is not None
        name, reader, body = self.split(value)
        return name, reader.read(BinaryDecoder(io.BytesIO(body)))

    def plain(self, value: bytes | None) -> bytes | None:
        """Return the record in single-object framing; whatever is not a record stays as it is."""
        try:
            name, _, body = self.split(value or b"")
        except KeyError:
            return value
        return self._frames[name] + body


@dataclass
class Recount:
    """All that is in the topics of *cluster*, and what the model makes of its log.

    *poison* are the (partition, offset) that became dead letters for reasons outside the log.
    """

    cluster: Cluster
    poison: Collection[tuple[int, int]] = ()
    reader: Reader = field(default_factory=Reader)

    def __post_init__(self) -> None:
        eventually(self._quiet)
        self.log = self._records("mailing.recipients")
        self.acks = self._records("mailing.acks")
        self.sends = [self.reader.read(raw.value)[1] for raw in self._records("mailing.sends")]
        self.dead_letters = self._records("mailing.dead-letters")
        self.state = self._records("mailing.state")
        self.models = self._fold()

    def verify(self, *loads: Load, views: Iterable[MailingView] = ()) -> Recount:
        """Fail unless every promise was kept; mailings must have nothing pending."""
        self._verify_sends()
        self._verify_acks()
        self._verify_dead_letters()
        self._verify_state()
        self._verify_identities(loads)
        for load in loads:
            self._verify_load(load)
        for view in views:
            self._verify_counters(view)
        return self

    def _quiet(self) -> bool:
        """Whether the log is read to its end and no transaction is open any more."""
        admin = self.cluster.admin()
        names = [self.cluster.topic(name) for name in _TOPICS]
        described = admin.list_topics(timeout=READ_WITHIN_S).topics
        places = [TopicPartition(name, p) for name in names for p in described[name].partitions]
        written = _ends(admin, places, IsolationLevel.READ_UNCOMMITTED)
        if written != _ends(admin, places, IsolationLevel.READ_COMMITTED):
            return False
        log = [place for place in places if place.topic == names[0]]
        asked = [ConsumerGroupTopicPartitions(self.cluster.group, log)]
        (group,) = admin.list_consumer_group_offsets(asked).values()
        read = {place.partition: place.offset for place in group.result().topic_partitions}
        ends = {place.partition: written[names[0], place.partition] for place in log}
        return all(read[partition] == end or not end for partition, end in ends.items())

    def _records(self, name: str) -> list[Raw]:
        return read_all(self.cluster.bootstrap_servers, self.cluster.topic(name))

    def _fold(self) -> dict[int, Model]:
        homes = {}
        for raw in self.log:
            try:
                _, event = self.reader.read(raw.value)
            except Exception:  # noqa: BLE001, S112 - the model says what is dead
                continue
            if event.get("origin") == "REQUEST":
                homes[event["orgid"], event["mid"]] = raw.partition
        models = {partition: Model(partition, homes) for partition in range(4)}
        for raw in self.log:
            if (raw.partition, raw.offset) not in self.poison:
                value = self.reader.plain(raw.value)
                models[raw.partition].meet(raw.offset, raw.key, value)
        return models

    def _verify_sends(self) -> None:
        sent = Counter(send["send_id"] for send in self.sends)
        assert [send_id for send_id, times in sent.items() if times > 1] == []
        expected = [send for model in self.models.values() for send in model.sends]
        wanted = {send["send_id"]: _send(send) for send in expected}
        found = {send["send_id"]: _send(send) for send in self.sends}
        lost = sorted(wanted.keys() - found.keys())
        assert lost == [], f"accepted and invoked, but never sent; kept: {self._kept(lost)}"
        assert found.keys() - wanted.keys() == set(), "sent, but never accepted"
        other = [
            (found[send_id], wanted[send_id])
            for send_id in found
            if found[send_id] != wanted[send_id]
        ]
        assert other[:3] == []

    def _kept(self, lost: Iterable[str]) -> list[bytes]:
        """Return which of the changelog's last records are of *lost* messages: still pending."""
        places = {tuple(map(int, send_id.split(":")[1:])) for send_id in lost}
        table = {(raw.partition, raw.key or b""): raw.value for raw in self.state}
        kept = []
        for (partition, key), value in table.items():
            if value is not None and key.startswith(b"p:"):
                batch = self.reader.read(value)[1]
                offsets = [batch["base_offset"] + m["offset_delta"] for m in batch["messages"]]
                if places & {(partition, offset) for offset in offsets}:
                    kept.append(key)
        return kept

    def _verify_acks(self) -> None:
        found: set[tuple[int, str, int, int, str]] = set()
        answers: set[tuple[int, str, str, int]] = set()
        for raw in self.acks:
            name, record = self.reader.read(raw.value)
            if name == "Acknowledgement":
                found |= {
                    (raw.partition, call["request_id"], e["index"], e["rid"], e["outcome"])
                    for call in record["calls"]
                    for e in call["entries"]
                }
            else:
                told = (record["request_id"], record["outcome"], record["messages"])
                answers.add((raw.partition, *told))
        failed = {ack for ack in found if ack[-1] == "FAILED"}
        assert {ack[:3] for ack in failed} <= self._dead_calls()
        assert found - failed == {ack for model in self.models.values() for ack in model.acks}
        assert answers == {answer for m in self.models.values() for answer in m.answers}

    def _verify_dead_letters(self) -> None:
        found = Counter((raw.partition, self._place_of(raw)) for raw in self.dead_letters)
        assert found == Counter(dict.fromkeys(self._dead(), 1))

    def _dead(self) -> set[tuple[int, int]]:
        dead = {(p, offset) for p, model in self.models.items() for offset in model.dead}
        return dead | set(self.poison)

    def _dead_calls(self) -> set[tuple[int, str, int]]:
        """Return the calls whose events are dead, as far as they can be read."""
        calls, dead = set(), self._dead()
        for raw in self.log:
            if (raw.partition, raw.offset) in dead:
                with suppress(Exception):
                    _, event = self.reader.read(raw.value)
                    calls.add((event["reply_partition"], event["request_id"], event["index"]))
        return calls

    def _place_of(self, letter: Raw) -> int:
        """Return the offset a dead letter names, once its headers and its value agree."""
        _, record = self.reader.read(letter.value)
        for name in ("topic", "partition", "offset", "reason"):
            assert letter.headers[name].decode() == str(record[name])
        (dead,) = (
            r for r in self.log if (r.partition, r.offset) == (letter.partition, record["offset"])
        )
        assert record["topic"] == self.cluster.topic("mailing.recipients")
        assert (record["partition"], record["key"], record["value"]) == (
            dead.partition,
            dead.key,
            dead.value,
        )
        return int(record["offset"])

    def _verify_state(self) -> None:
        """The changelog alone, read to its end, says what the model knows."""
        for partition, model in self.models.items():
            records = [raw for raw in self.state if raw.partition == partition]
            metas = [self.reader.read(raw.value)[1] for raw in records if raw.key == b"meta"]
            # Every transaction of the partition is there, once, and none goes back.
            assert [meta["seq"] for meta in metas] == list(range(1, len(metas) + 1))
            applied = [meta["applied"] for meta in metas]
            assert applied == sorted(applied)
            last = max((raw.offset for raw in self.log if raw.partition == partition), default=-1)
            assert max(applied, default=-1) == last
            table = {raw.key: raw.value for raw in records}
            self._verify_tables(model, {key: v for key, v in table.items() if v is not None})

    def _verify_tables(self, model: Model, table: Mapping[bytes | None, bytes]) -> None:
        people, mailings, pending = {}, {}, 0
        for key, value in table.items():
            kind, _, name = (key or b"").decode().partition(":")
            if kind == "b":
                for kept in self.reader.read(value)[1]["recipients"]:
                    person = self.reader.read(kept["recipient"])[1]
                    who = (person["rid"], person["status"], person["email"])
                    people[kept["key"].decode()] = who
            elif kind == "m":
                mailing = self.reader.read(value)[1]
                mailings[name] = [mailing[counter] for counter in COUNTERS]
            elif kind == "p":
                pending += len(self.reader.read(value)[1]["messages"])
        assert people == {
            f"{org}:{address}": (p["rid"], 1 if p["status"] == -1 else p["status"], p["email"])
            for (org, address), p in model.people.items()
        }
        assert mailings == {
            f"{org}:{mid}": [mailing[counter] for counter in COUNTERS]
            for (org, mid), mailing in model.mailings.items()
        }
        assert pending == sum(len(mailing["queue"]) for mailing in model.mailings.values())

    def _verify_identities(self, loads: Iterable[Load]) -> None:
        ids, addresses = defaultdict(set), defaultdict(set)
        told = [(ORG, answered.email, answered.rid) for load in loads for answered in load.answered]
        told += [(send["orgid"], send["email"], send["rid"]) for send in self.sends]
        for org, email, rid in told:
            ids[org, same_person(email)].add(rid)
            addresses[rid].add((org, same_person(email)))
        assert [who for who, rids in ids.items() if len(rids) > 1] == [], "one address, two IDs"
        assert [rid for rid, who in addresses.items() if len(who) > 1] == [], (
            "one ID, two addresses"
        )

    def _verify_load(self, load: Load) -> None:
        assert load.answered, "a load nobody answered proves nothing"
        sent = Counter((send["mid"], send["rid"], send["context"]) for send in self.sends)
        for _, context, rid in load.answered:
            message = (load.mid, rid, json.dumps(context).encode())
            assert sent[message] >= 1, f"answered, but never sent: {message}"
            assert sent[message] == 1, f"sent twice: {message}"

    def _verify_counters(self, view: MailingView) -> None:
        mine = [
            model.mailings[view.orgid, view.mid]
            for model in self.models.values()
            if (view.orgid, view.mid) in model.mailings
        ]
        for counter in COUNTERS:
            assert getattr(view, counter) == sum(mailing[counter] for mailing in mine), counter


def _send(record: Mapping[str, Any]) -> dict[str, Any]:
    names = ("send_id", "orgid", "mid", "invocation", "rid", "context", "email", "firstName")
    return {name: record.get(name) for name in names}
