"""The specification once more, written apart from the product: what a partition's log means.

It shares with the product the names of fields and nothing else: records are decoded by the
official ``avro`` package, keys are placed by ``aiokafka``, messages are sent at their cut, whatever
is not understood is dead.
"""

from __future__ import annotations

import io
import unicodedata
from importlib import resources
from typing import Any

import avro.schema
from aiokafka.partitioner import murmur2  # type: ignore[import-untyped]
from avro.io import BinaryDecoder, DatumReader

PARTITIONS = 4
COUNTERS = ("triggered", "created", "known", "duplicates", "suppressed", "rejected", "sent")
_EVENTS = ("RecipientTriggered", "MailingDefined", "MailingInvoked", "MailingQueried")
_FOLDER = resources.files("schemas").joinpath("avro")


def _reader(name: str) -> tuple[bytes, DatumReader]:
    schema = avro.schema.parse(_FOLDER.joinpath(f"{name}.avsc").read_text("utf-8"))
    return b"\xc3\x01" + schema.fingerprint("CRC-64-AVRO"), DatumReader(schema, schema)


_READERS = {name: _reader(name) for name in (*_EVENTS, "RecipientSend")}


def decode(value: bytes | None, names: tuple[str, ...] = _EVENTS) -> tuple[str, dict[str, Any]]:
    """Return a record's name and fields; ValueError when it is none of *names*."""
    for name in names:
        frame, reader = _READERS[name]
        if value is not None and value.startswith(frame):
            body = io.BytesIO(value[len(frame) :])
            try:
                record: Any = reader.read(BinaryDecoder(body))
            except Exception as exc:
                raise ValueError(name) from exc
            if body.read(1):
                break
            return name, record
    raise ValueError("not an event")


def _need(*conditions: object) -> None:
    if not all(conditions):
        raise ValueError("nothing to be folded")


def same_person(email: str) -> str:
    """Return what all spellings of an address have in common."""
    local, _, domain = unicodedata.normalize("NFC", email.strip()).lower().rpartition("@")
    return f"{local}@{domain.rstrip('.').encode('idna').decode()}"


def _home_of(key: bytes) -> int:
    return int(murmur2(key) & 0x7FFFFFFF) % PARTITIONS


class Model:
    """The meaning of the log of *partition*; *homes* are the mailings' partitions."""

    def __init__(self, partition: int, homes: dict[tuple[int, int], int]) -> None:
        self.partition, self.homes = partition, homes
        self.people: dict[tuple[int, str], dict[str, Any]] = {}
        self.mailings: dict[tuple[int, int], dict[str, Any]] = {}
        self.acks: list[tuple[int, str, int, int, str]] = []
        self.answers: list[tuple[int, str, str, int]] = []
        self.sends: list[dict[str, Any]] = []
        self.dead: list[int] = []

    def meet(self, offset: int, key: bytes | None, value: bytes | None) -> None:
        """Take the next record of the log."""
        try:
            name, event = decode(value)
            _need(len(value or b"") <= 512 * 1024, -1 <= event["reply_partition"] < 8)
            _need(event["orgid"] > 0, event["index"] >= 0, len(event["request_id"]) <= 64)
            getattr(self, "_" + name)(offset, key, event)
        except ValueError:
            self.dead.append(offset)

    def _RecipientTriggered(self, offset: int, key: bytes | None, event: dict[str, Any]) -> None:
        org, rid, email = event["orgid"], event["rid"], event["email"]
        _need(event["mid"] > 0, rid >= 0, event["status"] in (-1, 0, 1, 3))
        _need(email.isprintable(), len(email) <= 254, rid or "@" in email)
        _need(key == (f"{org}:#{rid}" if rid else f"{org}:{same_person(email)}").encode())
        _need(not rid or rid % 1024 == self.partition)
        mailing = self.mailings.get((org, event["mid"]))
        if mailing is None:
            self._ack(event, 0, "UNKNOWN_MAILING")
            return
        person: Any
        if rid:
            found = [p for (o, _), p in self.people.items() if p["rid"] == rid and o == org]
            person = found[0] if found else None
        else:
            person = self.people.get((org, same_person(email)))
        refusal = (
            "NOT_TRIGGERED"
            if mailing["type"] != "api-triggered"
            else "UNKNOWN_RECIPIENT"
            if rid and person is None
            else "EMAIL_MISMATCH"
            if rid and email and same_person(email) != same_person(person["email"])
            else None
        )
        _need(person or refusal or _home_of(key or b"") == self.partition)
        mailing["triggered"] += 1
        if refusal is not None:
            mailing["rejected"] += 1
            self._ack(event, 0, refusal)
            return
        outcome = "KNOWN"
        if person is None:
            outcome = "CREATED"
            person = event | {"rid": (offset + 1) * 1024 + self.partition}
            self.people[org, same_person(email)] = person
        twins = [
            message
            for message in mailing["queue"]
            if message["rid"] == person["rid"]
            and mailing["dedup"] != "NONE"
            and (mailing["dedup"] == "RECIPIENT" or message["context"] == event["context"])
        ]
        if person["status"] != 0 and twins:
            mailing["duplicates"] += 1
            self._ack(event, person["rid"], "DUPLICATE")
            return
        mailing[outcome.lower()] += 1
        if person["status"] == 0:
            mailing["suppressed"] += 1
            self._ack(event, person["rid"], "SUPPRESSED")
            return
        said = {field: said for field, said in event.items() if said is not None}
        if person.get("profileData") and event["profileData"]:
            said["profileData"] = person["profileData"] | event["profileData"]
        if person["smsSubscribed"] is False:
            said["smsSubscribed"] = False
        whole = person | said | {"email": person["email"], "rid": person["rid"]}
        whole["send_id"] = f"{person['rid']}:{self.partition}:{offset}"
        mailing["queue"].append(whole)
        self._ack(event, person["rid"], outcome)

    def _MailingDefined(self, _: int, _key: bytes | None, event: dict[str, Any]) -> None:
        _need(event["mid"] > 0, event["interval_s"] >= 0, event["origin"] != "TIMER")
        _need(1 <= len(event["name"]) <= 500, len(event["type"]) <= 50)
        mailing = self.mailings.get((event["orgid"], event["mid"]))
        revision = self._revision(event, mailing)
        if revision is None:
            return
        if mailing is None:
            mailing = dict.fromkeys(COUNTERS, 0) | {"invocation": 0, "queue": []}
            self.mailings[event["orgid"], event["mid"]] = mailing
        mailing |= {name: event[name] for name in ("name", "type", "dedup", "interval_s")}
        mailing["revision"] = revision
        self._answer(event, "DONE")

    def _MailingInvoked(self, _: int, _key: bytes | None, event: dict[str, Any]) -> None:
        mailing: Any = self.mailings.get((event["orgid"], event["mid"]))
        revision = None if event["origin"] == "TIMER" else self._revision(event, mailing)
        takes = mailing is not None and mailing["type"] == "api-triggered"
        if event["origin"] == "TIMER":
            if takes and event["invocation"] == mailing["invocation"] + 1:
                self._cut(mailing)
        elif revision is not None and takes:
            mailing["revision"] = revision
            self._answer(event, "DONE", self._cut(mailing))
        elif revision is not None:
            self._answer(event, "NOT_TRIGGERED" if mailing else "UNKNOWN_MAILING")

    def _MailingQueried(self, _: int, _key: bytes | None, event: dict[str, Any]) -> None:
        unknown = event["mid"] and (event["orgid"], event["mid"]) not in self.mailings
        self._answer(event, "UNKNOWN_MAILING" if unknown else "DONE")

    def _cut(self, mailing: dict[str, Any]) -> int:
        mailing["invocation"] += 1
        cut, mailing["queue"] = mailing["queue"], []
        mailing["sent"] += len(cut)
        self.sends += [message | {"invocation": mailing["invocation"]} for message in cut]
        return len(cut)

    def _revision(self, event: dict[str, Any], mailing: dict[str, Any] | None) -> int | None:
        home = self.homes[event["orgid"], event["mid"]] == self.partition
        _need(home == (event["origin"] == "REQUEST"))
        known = mailing["revision"] if mailing else 0
        if home:
            return known + 1
        return event["revision"] if event["revision"] > known else None

    def _ack(self, event: dict[str, Any], rid: int, outcome: str) -> None:
        if event["reply_partition"] >= 0:
            call = (event["reply_partition"], event["request_id"], event["index"])
            self.acks.append((*call, rid, outcome))

    def _answer(self, event: dict[str, Any], outcome: str, messages: int = 0) -> None:
        if event["reply_partition"] >= 0:
            self.answers.append((event["reply_partition"], event["request_id"], outcome, messages))
