"""Records of the topics, decoded by `fastavro` with nothing of ours but the schemas."""

from __future__ import annotations

import hashlib
import io
import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

import fastavro

if TYPE_CHECKING:
    from collections.abc import Iterator

_FRAME_BYTES = 10
_CONTROLS = ("MailingDefined", "MailingSwitched", "MailingInvoked")
_CHANGED, _ONCE, _TRIGGERED = "RecipientChanged", "RecipientTriggeredOnce", "RecipientTriggered"


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
    # The number that the log gave to a call with an idempotency key; 0: it has none.
    once: int
    status: int
    first_name: str | None
    number: str | None
    texts: bool | None


class Change(NamedTuple):
    """What is stored of a recipient is changed; None and -1: it stays as it is."""

    partition: int
    offset: int
    call: int
    org: int
    rid: int
    email: str
    status: int
    first_name: str | None
    number: str | None
    texts: bool | None
    request_id: str


class Control(NamedTuple):
    """A mailing is defined, switched or invoked."""

    partition: int
    offset: int
    name: str
    record: dict[str, Any]


class Told(NamedTuple):
    """An entry of an acknowledgement."""

    asked: tuple[int, str, int]
    rid: int
    outcome: str


class Sent(NamedTuple):
    """A message that was sent by a channel."""

    send_id: str
    org: int
    mid: int
    invocation: int
    rid: int
    channel: str


class Kept(NamedTuple):
    """A mailing as one transaction left it in the changelog of a partition."""

    partition: int
    # Of the transaction.
    seq: int
    record: dict[str, Any]


def records(raws: list[Raw], *names: str) -> Iterator[tuple[Raw, str, dict[str, Any]]]:
    """Yield the records of these schemas, each with the name of its own."""
    forms = {frame: (name, schema) for name in names for frame, schema in [_form(name)]}
    for raw in raws:
        found = forms.get((raw.value or b"")[:_FRAME_BYTES])
        if found is not None:
            body = io.BytesIO((raw.value or b"")[_FRAME_BYTES:])
            record: Any = fastavro.schemaless_reader(body, found[1], None)
            yield raw, found[0], record


def events_of(log: list[Raw]) -> list[Event]:
    """Return the triggers of the log, with and without an idempotency key."""
    return [
        Event(
            raw.partition,
            raw.offset,
            _call(record),
            record["index"],
            record["orgid"],
            record["mid"],
            record["rid"],
            record["email"],
            hashlib.sha256(record["context"]).hexdigest(),
            (record["reply_partition"], record["request_id"], record["index"]),
            record["call"] if name == _ONCE else 0,
            record["status"],
            record["firstName"],
            record["smsContact"],
            record["smsSubscribed"],
        )
        for raw, name, record in records(log, _TRIGGERED, _ONCE)
    ]


def changes_of(log: list[Raw]) -> list[Change]:
    """Return the changes of recipients in the log."""
    return [
        Change(
            raw.partition,
            raw.offset,
            _call(record),
            record["orgid"],
            record["rid"],
            record["email"],
            record["status"],
            record["firstName"],
            record["smsContact"],
            record["smsSubscribed"],
            record["request_id"],
        )
        for raw, _, record in records(log, _CHANGED)
    ]


def controls_of(log: list[Raw]) -> list[Control]:
    """Return what happens to mailings in the log, copies and timers included."""
    return [
        Control(raw.partition, raw.offset, name, record)
        for raw, name, record in records(log, *_CONTROLS)
    ]


def told_of(acks: list[Raw]) -> list[Told]:
    """Return what callers were told about entries, repeats included."""
    return [
        Told((raw.partition, call["request_id"], entry["index"]), entry["rid"], entry["outcome"])
        for raw, _, record in records(acks, "Acknowledgement")
        for call in record["calls"]
        for entry in call["entries"]
    ]


def sent_of(sends: list[Raw]) -> list[Sent]:
    """Return the messages that were sent."""
    names = ("send_id", "orgid", "mid", "invocation", "rid", "channel")
    return [
        Sent(*(record[name] for name in names)) for _, _, record in records(sends, "RecipientSend")
    ]


def kept_of(state: list[Raw]) -> list[Kept]:
    """Return every mailing of every transaction in the changelog, in its order."""
    found: list[Kept] = []
    open_ones: dict[int, list[dict[str, Any]]] = {}
    for raw, name, record in records(state, "MailingState", "PartitionMeta"):
        if name == "MailingState":
            open_ones.setdefault(raw.partition, []).append(record)
        else:
            # The last record of its transaction.
            found += [
                Kept(raw.partition, record["seq"], mailing)
                for mailing in open_ones.pop(raw.partition, ())
            ]
    return found


def metas_of(state: list[Raw]) -> list[tuple[int, int, int]]:
    """Return the (partition, seq, applied) of every transaction in the changelog, in its order."""
    return [
        (raw.partition, meta["seq"], meta["applied"])
        for raw, _, meta in records(state, "PartitionMeta")
    ]


def _call(record: dict[str, Any]) -> int:
    number = (record["lastName"] or "").removeprefix("call ")
    return int(number) if number.isdigit() else -1


@cache
def _form(name: str) -> tuple[bytes, Any]:
    text = resources.files("schemas").joinpath("avro", f"{name}.avsc").read_text("utf-8")
    schema = json.loads(text)
    fingerprint = fastavro.schema.fingerprint(
        fastavro.schema.to_parsing_canonical_form(schema), "CRC-64-AVRO"
    )
    return b"\xc3\x01" + bytes.fromhex(fingerprint), fastavro.parse_schema(schema)
