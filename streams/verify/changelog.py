"""What a partition's changelog says, read raw: each key's last value, taken apart.

Keys, as ADR 10 and the schemas have them: ``b:`` recipients that one transaction created, ``r:``
one that was written again, ``m:`` a mailing, ``p:`` messages that wait, ``x:`` an event laid aside,
``k:`` a call with an idempotency key, ``o:`` what entries of such calls were answered, ``c:``
messages that count towards caps, ``e:`` what is left of somebody who was erased, ``e:key`` what
keys the digests it is found by, ``meta`` how far all this goes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from streams.verify.reading import STATE, CannotRead
from streams.verify.report import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.verify.mailing import MailingId
    from streams.verify.model import Model
    from streams.verify.people import Says
    from streams.verify.reading import Raw
    from streams.verify.records import Record, Records
    from streams.verify.report import Report

# What the rules of `model.py` are; a newer release's state means other things.
_FOLD_VERSION = 3
_KEY_PARTS = {b"b": 1, b"m": 2, b"p": 4, b"x": 1, b"o": 1, b"c": 1}


class Waiting(NamedTuple):
    """A message that the changelog keeps: its queue, what it will say, whether it goes as SMS."""

    orgid: int
    mid: int
    invocation: int
    rid: int
    says: Says
    texted: bool


@dataclass(slots=True)
class Table:
    """The changelog of *partition*: by key the last value, but for what is taken apart already."""

    partition: int
    records: Records
    report: Report
    seq: int = 0
    applied: int = -1
    topic_id: str = ""
    partitions: int = 0
    _people: dict[bytes, bytes] = field(default_factory=dict)
    mailings: dict[MailingId, Record] = field(default_factory=dict)
    waiting: dict[int, Waiting] = field(default_factory=dict)
    aside: dict[int, str] = field(default_factory=dict)
    calls: dict[bytes, Record] = field(default_factory=dict)
    # By the offset of the first of a batch.
    once: dict[int, Record] = field(default_factory=dict)
    # By digest of the log key, under the secret.
    erased: dict[bytes, Record] = field(default_factory=dict)
    secret: bytes = b""
    # (orgid, mid, rid, log time) of messages that count towards caps.
    counting: Counter[tuple[int, ...]] = field(default_factory=Counter)

    def take(self, raws: Iterable[Raw], model: Model) -> None:
        """Take the whole changelog; *model* says what a message that waits will say."""
        values: dict[bytes, bytes] = {}
        for raw in raws:
            key = raw.key or b""
            if key == b"meta":
                self._meta(raw)
            elif raw.value is None:
                values.pop(key, None)
            else:
                values[key] = raw.value
        for key, value in values.items():
            try:
                self._keep(key, value, model)
            except (ValueError, KeyError) as exc:
                self._breach(Kind.UNEXPECTED, f"a record of this key cannot be read: {_shown(key)}")
                if not isinstance(exc, ValueError):
                    raise

    def people(self) -> Iterator[tuple[bytes, Record]]:
        """Yield every recipient: its log key and its fields."""
        # Of one written again this is the state, and its batch has it as it was created.
        again = {key for key in self._people if key.startswith(b"r:")}
        for key, value in self._people.items():
            try:
                if key in again:
                    yield key[2:], self._read(value, "RecipientState")
                    continue
                for kept in self._read(value, "RecipientBatch")["recipients"]:
                    if b"r:" + kept["key"] not in again:
                        yield kept["key"], self._read(kept["recipient"], "RecipientState")
            except ValueError:
                self._breach(Kind.UNEXPECTED, f"a record of this key cannot be read: {_shown(key)}")

    def _keep(self, key: bytes, value: bytes, model: Model) -> None:
        kind, _, name = key.partition(b":")
        if kind == b"r":
            self._people[key] = value
            return
        if kind == b"k":
            self.calls[name] = self._read(value, "CallState")
            return
        if kind == b"e" and name == b"key":
            self.secret = self._read(value, "StubKey")["secret"]
            return
        if kind == b"e":
            self.erased[bytes.fromhex(name.decode())] = self._read(value, "ErasedRecipient")
            return
        parts = [int(part) for part in name.split(b":")]
        if len(parts) != _KEY_PARTS.get(kind):
            raise ValueError("a key nobody writes")
        if kind == b"b":
            self._people[key] = value
        elif kind == b"m":
            self.mailings[parts[0], parts[1]] = self._read(value, "MailingState")
        elif kind == b"o":
            self.once[parts[0]] = self._read(value, "OnceState")
        elif kind == b"c":
            messages = self._read(value, "CapState")["messages"]
            self.counting.update(tuple(message.values()) for message in messages)
        elif kind == b"x":
            self.aside[parts[0]] = self._read(value, "PoisonState")["reason"]
        else:
            self._wait(parts, self._read(value, "PendingState"), model)

    def _wait(self, parts: list[int], batch: Record, model: Model) -> None:
        for message in batch["messages"]:
            event = self._read(message["event"], "RecipientTriggered")
            offset = batch["base_offset"] + message["offset_delta"]
            if message["recipient"]:
                person = self._read(message["recipient"], "RecipientState")
            else:
                # Created by the event itself.
                person = event | {"rid": message["rid"]}
            said = model.says(model.kept(message["rid"], 0, person), event)
            if offset in self.waiting:
                detail = "its message waits twice"
                self._breach(Kind.DOUBLED, detail, offset=offset, rid=message["rid"])
            # Of an event for another mailing or recipient the queue would tell a lie.
            whose = (event["orgid"], event["mid"], person["rid"])
            if whose != (parts[0], parts[1], message["rid"]):
                raise ValueError("a message in a queue that is not its own")
            self.waiting[offset] = Waiting(parts[0], parts[1], parts[2], message["rid"], *said)

    def _meta(self, raw: Raw) -> None:
        try:
            meta = self._read(raw.value, "PartitionMeta")
        except ValueError:
            self.report.breach(
                Kind.UNEXPECTED, STATE, self.partition, raw.offset, detail="meta cannot be read"
            )
            return
        if meta["fold_version"] > _FOLD_VERSION:
            raise CannotRead(
                f"partition {self.partition} was written by rules of version "
                f"{meta['fold_version']}, this release knows {_FOLD_VERSION}: verify with a "
                "release at least as new as the workers"
            )
        if meta["seq"] <= self.seq or meta["applied"] < self.applied:
            self.report.breach(
                Kind.CHANGED,
                STATE,
                self.partition,
                raw.offset,
                detail=f"meta goes back: seq {self.seq} to {meta['seq']}, "
                f"applied {self.applied} to {meta['applied']}",
            )
        self.seq, self.applied = meta["seq"], meta["applied"]
        self.topic_id, self.partitions = meta["topic_id"], meta["partitions"]

    def _read(self, value: bytes | None, name: str) -> Record:
        found, record = self.records.read(value)
        if found != name:
            raise ValueError("a record of another kind")
        return record

    def _breach(self, kind: Kind, detail: str, *, offset: int = -1, rid: int = 0) -> None:
        self.report.breach(kind, STATE, self.partition, offset, rid=rid, detail=detail)


def _shown(key: bytes) -> str:
    """Return a key without what could be an address in it."""
    kind, _, name = key.partition(b":")
    if kind in _KEY_PARTS and name.replace(b":", b"").isdigit():
        return key.decode()
    return (
        f"{kind[:1].decode('ascii', 'replace')}:…"
        if kind in {b"r", b"k", b"e"}
        else "no kind of ours"
    )
