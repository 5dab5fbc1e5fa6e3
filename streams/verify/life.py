"""One recipient's life, from the log of its partition and what the worker wrote beside it.

What the log does not say, whether a trigger was a duplicate and what an invocation took along, is
decided once more by the model. It is given the events of mailings and those of this recipient
alone: nobody else's decide about them.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streams.verify.beginning import Beginning
from streams.verify.changelog import Table
from streams.verify.consequences import Ack, Dead, Send
from streams.verify.letters import ASIDE
from streams.verify.model import Model
from streams.verify.people import rid_and_status
from streams.verify.reading import DEAD_LETTERS, LOG, SENDS, STATE
from streams.verify.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.verify.consequences import Out
    from streams.verify.reading import Raw, Topics
    from streams.verify.records import Record, Records

# What those events say that are about one recipient.
_WHAT = {
    "RecipientTriggered": "triggered",
    "RecipientTriggeredOnce": "triggered",
    "RecipientChanged": "changed",
    "RecipientErased": "erased",
    "RecipientQueried": "read",
}
# Of others they decide nothing.
_PASSED_OVER = frozenset({"RecipientTriggered", "RecipientTriggeredOnce", "DryRunQueried"})
_NOT_GIVEN = -1
# Of an event, besides what it says of a person.
_ABOUT = frozenset({"orgid", "mid", "request_id", "index", "status", "origin"})
_NOT_PERSONAL = _ABOUT | {"reply_partition", "rid", "secret", "call", "begun_at"}


class NotThere(Exception):
    """The log knows no such recipient; the message says what stands there instead."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened, and where it is written; *time_ms* is the broker's.

    *facts* hold nothing personal, *personal* what the event says of the recipient.
    """

    topic: str
    partition: int
    offset: int
    time_ms: int
    what: str
    facts: dict[str, Any] = field(default_factory=dict)
    personal: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Life:
    """The life of the recipient *rid*, oldest first; *limits* say what could not be told.

    Of one who is *erased*, at that log time in ms, there is no address.
    """

    rid: int
    partition: int
    orgid: int = 0
    email: str = ""
    status: int = -1
    erased: int | None = None
    reaches_back_to: int = 0
    reaches_back_ms: int = 0
    happenings: list[Happening] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)


class _Asked:
    """The records, with every event answered: the model then says what became of each."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self.fields, self.name_of = records.fields, records.name_of

    def read(self, value: bytes | None) -> tuple[str, Record]:
        name, record = self._records.read(value)
        if record.get("reply_partition") == -1:
            record["reply_partition"] = 0
        return name, record


class _Teller:
    """Follows one recipient through its partition."""

    def __init__(
        self, rid: int, topics: Topics, records: Records, read_to: Callable[[int], None]
    ) -> None:
        self.life = Life(rid, rid % 1024)
        self._created_at = rid // 1024 - 1
        self._topics, self._records, self._read_to = topics, records, read_to
        partitions = topics.partitions[LOG]
        if rid < 1024 or self.life.partition >= partitions:
            raise NotThere(f"no recipient has the rid {rid}: the log has {partitions} partitions")
        if self._created_at >= topics.ends[LOG, self.life.partition]:
            raise NotThere(f"no recipient has the rid {rid} yet: the log ends before its event")
        self._model = Model(self.life.partition, partitions, _Asked(records))  # type: ignore[arg-type]
        self._keys: set[bytes] = set()
        self._aside: dict[int, str] = {}
        # By offset of its event, each message of this recipient: its context.
        self._contexts: dict[int, bytes] = {}

    def tell(self) -> Life:
        """Read everything that may be about the recipient."""
        life, topics = self.life, self._topics
        life.reaches_back_to = begin = topics.begins[LOG, life.partition]
        if begin:
            self._remember(begin)
        self._name(begin)
        for raw in topics.read(DEAD_LETTERS, life.partition, self._read_to):
            self._take_letter(raw)
        for raw in topics.read(LOG, life.partition, self._read_to):
            life.reaches_back_ms = life.reaches_back_ms or raw.time_ms
            self._meet(raw)
        self._know()
        for raw in topics.read(SENDS, life.partition, self._read_to):
            self._take_send(raw)
        life.happenings.sort(key=lambda each: each.time_ms)
        return life

    def _remember(self, begin: int) -> None:
        """Take what came before the log's first event from the changelog."""
        report = Report()
        table = Table(self.life.partition, self._records, report)
        table.take(self._topics.read(STATE, self.life.partition, self._read_to), self._model)
        self._aside = dict(table.aside)
        beginning = Beginning(self._model, table, self._records, report, begin)
        beginning.read(self._topics.read(LOG, self.life.partition))
        beginning.give_people()
        beginning.give_mailings({})
        self.life.limits.append(
            f"the log begins at offset {begin}: what came before is not told, and whether the "
            "first message of each mailing after it was a duplicate cannot be"
        )

    def _name(self, begin: int) -> None:
        """Learn by which keys the recipient's events go."""
        key = self._model.keys.get(self.life.rid)
        if self._created_at >= begin:
            there = copy(self._topics)
            there.begins = there.begins | {(LOG, self.life.partition): self._created_at}
            for raw in there.read(LOG, self.life.partition):
                key = raw.key if raw.offset == self._created_at else None
                break
        left = self._model.erased.of_rid(self.life.rid)
        if key is not None:
            org = key.partition(b":")[0]
            self._keys = {key, b"%b:#%d" % (org, self.life.rid)}
        elif left is not None:
            self._keys = {b"%d:#%d" % (left.orgid, self.life.rid)}

    def _creates_nobody(self, raw: Raw, outs: list[Out]) -> NotThere:
        what = (
            "is a dead letter" if any(isinstance(out, Dead) for out in outs) else "creates nobody"
        )
        person = self._model.people.get(raw.key or b"")
        if person is not None:
            what = f"is about recipient {rid_and_status(person)[0]}"
        place = f"offset {raw.offset} of partition {raw.partition}"
        return NotThere(f"no recipient has the rid {self.life.rid}: the event at {place} {what}")

    def _take_letter(self, raw: Raw) -> None:
        try:
            name, letter = self._records.read(raw.value)
        except ValueError:
            return
        ours = self._topics.prefix + LOG, self.life.partition
        if name == "DeadLetter" and (letter["topic"], letter["partition"]) == ours:
            self._aside.setdefault(letter["offset"], letter["reason"])

    def _meet(self, raw: Raw) -> None:
        is_ours = raw.key in self._keys
        if not is_ours and self._records.name_of(raw.value) in _PASSED_OVER:
            return
        reason = self._aside.get(raw.offset)
        outs = self._model.meet(*raw[1:5], aside=reason in ASIDE)
        if raw.offset == self._created_at and self.life.rid not in self._model.keys:
            raise self._creates_nobody(raw, outs)
        if is_ours:
            self._add_event(raw, outs, reason)
        for out in outs:
            if isinstance(out, Send) and out.rid == self.life.rid:
                self._add_cut(raw, out)

    def _add_event(self, raw: Raw, outs: list[Out], reason: str | None) -> None:
        try:
            name, event = self._records.read(raw.value)
        except ValueError:
            name, event = "?", {}
        facts = {each: value for each, value in event.items() if each in _ABOUT}
        if facts.get("status") == _NOT_GIVEN:
            del facts["status"]
        personal = {each: value for each, value in event.items() if each not in _NOT_PERSONAL}
        personal = {each: value for each, value in personal.items() if value not in (None, "", b"")}
        what = _WHAT.get(name, name)
        if any(isinstance(out, Dead) for out in outs):
            what, facts["reason"] = "laid aside", reason or "it is no event"
        elif what == "triggered":
            self._judge(raw.offset, event, outs, facts)
        self._add(LOG, raw, what, facts, personal)

    def _judge(self, offset: int, event: Record, outs: list[Out], facts: dict[str, Any]) -> None:
        """Add what the model decides about a trigger."""
        for out in outs:
            if isinstance(out, Ack):
                unsure = "not known" if out.open else "KNOWN or DUPLICATE"
                facts["outcome"] = out.outcome or unsure
                if out.outcome == "SUPPRESSED":
                    person = self._model.people[self._model.keys[self.life.rid]]
                    _, status = rid_and_status(person)
                    facts["because"] = "unsubscribed" if status == 0 else "hourly cap"
        mailing = self._model.mailings.get((event["orgid"], event["mid"]))
        queue = mailing.queue if mailing is not None else []
        if (call := event.get("call")) is not None:
            facts["call"] = call
        if any(send.offset == offset for send in queue):
            self._contexts[offset] = event["context"]
            facts["send_id"] = self._send_id(offset)
        elif facts.get("outcome") == "DUPLICATE" and mailing is not None:
            by_context = mailing.definition["dedup"] == "RECIPIENT_CONTEXT"
            for send in queue:
                same = self._contexts.get(send.offset) == event["context"]
                if send.rid == self.life.rid and (same or not by_context):
                    facts["duplicate_of"] = self._send_id(send.offset)

    def _add_cut(self, raw: Raw, send: Send) -> None:
        _, event = self._records.read(raw.value)
        facts = {each: value for each, value in event.items() if each in _ABOUT}
        facts |= {"invocation": send.invocation, "send_id": self._send_id(send.offset)}
        self._add(LOG, raw, "invoked", facts, {})

    def _take_send(self, raw: Raw) -> None:
        if b"%d:%d:" % (self.life.rid, self.life.partition) not in (raw.value or b""):
            return
        try:
            name, send = self._records.read(raw.value)
        except ValueError:
            return
        if name == "RecipientSend" and send["rid"] == self.life.rid:
            facts = {each: send[each] for each in ("send_id", "orgid", "mid", "invocation")}
            self._add(SENDS, raw, "sent", facts, {"email": send["email"]})

    def _know(self) -> None:
        """Say who the recipient is now, and what still waits."""
        life = self.life
        key = self._model.keys.get(life.rid)
        left = self._model.erased.of_rid(life.rid)
        if left is not None:
            life.orgid, life.status, life.erased = left.orgid, left.status, left.erased
            return
        if key is None:
            raise NotThere(f"no recipient has the rid {life.rid}: no event of the log creates it")
        person = self._model.people[key]
        _, life.status = rid_and_status(person)
        life.orgid, life.email = int(key.partition(b":")[0]), self._model.shown(person)["email"]
        for mailing in self._model.mailings.values():
            life.waiting += [
                self._send_id(send.offset) for send in mailing.queue if send.rid == life.rid
            ]

    def _send_id(self, offset: int) -> str:
        return f"{self.life.rid}:{self.life.partition}:{offset}"

    def _add(
        self, topic: str, raw: Raw, what: str, facts: dict[str, Any], personal: dict[str, Any]
    ) -> None:
        place = (topic, raw.partition, raw.offset, raw.time_ms)
        self.life.happenings.append(Happening(*place, what, facts, personal))


def size_of(rid: int, topics: Topics) -> int:
    """Return how many offsets are to be read for a life."""
    names = [LOG, SENDS, DEAD_LETTERS]
    if topics.begins.get((LOG, rid % 1024)):
        names.append(STATE)
    places = [(name, rid % 1024) for name in names]
    return sum(max(topics.ends.get(at, 0) - topics.begins.get(at, 0), 0) for at in places)


def life_of(
    rid: int, topics: Topics, records: Records, read_to: Callable[[int], None] = lambda _: None
) -> Life:
    """Return the life of the recipient *rid*; NotThere when there is none.

    *read_to* hears how many offsets passed.
    """
    return _Teller(rid, topics, records, read_to).tell()
