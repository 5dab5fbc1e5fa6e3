"""The specification once more, written apart from the product: what a partition's log means.

It shares with the product the names of fields and nothing else, and is written to be read, not to
be fast: messages are whole at once and sent at their cut, whatever is not understood is dead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from msgspec import msgpack

from streams.verify.consequences import Ack, Answer, Copy, Dead, PersonAnswer, Send, Waits
from streams.verify.dry_run import comparable, foretold
from streams.verify.identities import home_of, same_person
from streams.verify.mailings import drained, may_be, takes_sms
from streams.verify.people import People, said

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, MutableMapping

    from streams.verify.consequences import Out
    from streams.verify.people import Says
    from streams.verify.records import Record, Records

# The last few depend on how far a drain is, which no log says.
DRAINED = ("sent", "sms", "sms_only", "unreachable")
ENTRIES = ("triggered", "created", "known", "duplicates", "suppressed", "rejected")
COUNTERS = (*ENTRIES, *DRAINED)
DEFINITION = ("name", "type", "dedup", "interval_s", "channels", "unknown_recipients")
# What an answer shows of a mailing and the log decides, in the order it is compared.
SHOWN = ("orgid", "mid", "revision", "state", *DEFINITION, "invocation", *ENTRIES)
MailingId = tuple[int, int]
_HOUR = 3_600_000
# So many cuts no mailing sees: it stays vague.
FOR_EVER = 2**30


@dataclass(slots=True)
class Mailing:
    """A mailing; *vague* while messages may wait in it that the log that is left does not have.

    It is so for that many cuts, once its definition is not *guessed*; not *counted* when its
    counters began before the log that is left.
    """

    definition: dict[str, Any]
    revision: int = 0
    invocation: int = 0
    vague: int = 0
    guessed: bool = False
    counted: bool = True
    state: str = "ACTIVE"
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    queue: list[Waits] = field(default_factory=list)
    rids: set[int] = field(default_factory=set)
    pairs: set[bytes] = field(default_factory=set)

    def take_back(self, rid: int) -> None:
        """Forget the messages of who unsubscribes before their cut, but for their number."""
        self.counts["suppressed"] += sum(m.sure for m in self.queue if m.rid == rid)
        self.queue = [message for message in self.queue if message.rid != rid]
        self.rids.discard(rid)
        self.pairs = {pair for pair in self.pairs if not pair.startswith(b"%d:" % rid)}

    def take_sms_out(self, rid: int) -> None:
        """Let no message say that SMS are welcome to who opted out before its cut."""
        for at, message in enumerate(self.queue):
            if message.rid == rid and message.says is not None:
                self.queue[at] = message._replace(says=(message.says[0], False), texted=False)


def digest(fields: Record) -> bytes:
    """Return what tells these fields from any others."""
    return blake2b(msgpack.encode(fields, order="deterministic"), digest_size=16).digest()


def _need(*conditions: object) -> None:
    if not all(conditions):
        raise ValueError("nothing to be folded")


@dataclass(frozen=True, slots=True)
class Call:
    """A call with an idempotency key, as its key's home partition knows it."""

    call: int
    begun_at: int
    digest: bytes
    count: int


class Model:
    """The meaning of the log of *partition*; *fingerprint* makes of a message what is kept of it.

    *people* are by log key, as `People` keeps them. Of those who are *unclear* only the rid is
    known: what they were when the log that is left begins, it does not say.
    """

    def __init__(
        self,
        partition: int,
        partitions: int,
        records: Records,
        fingerprint: Callable[[Record], Hashable] = digest,
    ) -> None:
        self.partition, self.partitions = partition, partitions
        self.people: MutableMapping[bytes, bytes] = {}
        self.keys: MutableMapping[int, bytes] = {}
        self.mailings: dict[MailingId, Mailing] = {}
        self.unclear: set[bytes] = set()
        # By log key, in the order in which they began; and (rid, outcome) by call and index.
        self.calls: dict[bytes, Call] = {}
        self.once: dict[tuple[int, int], tuple[int, str | None]] = {}
        self.begun: dict[tuple[int, int], int] = {}
        self.now = 0
        self._records, self._fingerprint = records, fingerprint
        self._form = People(records)

    def meet(
        self,
        offset: int,
        key: bytes | None,
        value: bytes | None,
        time_ms: int,
        *,
        aside: bool = False,
    ) -> list[Out]:
        """Return what follows from the log's next record; *aside*: that it is dead was decided."""
        whose = Dead()
        self.now = max(time_ms, 0)
        try:
            _need(len(value or b"") <= 512 * 1024)
            name, event = self._records.read(value)
            rule = getattr(self, f"_{name}", None)
            if rule is None:
                return [whose]
            whose = Dead(event["reply_partition"], event["request_id"], event["index"])
            _need(not aside, event["orgid"] > 0, -1 <= event["reply_partition"] < 8)
            _need(0 <= event["index"] < 2**31, len(event["request_id"]) <= 64)
            return list(rule(offset, key, event))
        except ValueError:
            return [whose]

    def kept(self, rid: int, status: int, fields: Record, dates: tuple[int, int] = (0, 0)) -> bytes:
        """Return a person as `people` has it."""
        return self._form.kept(rid, status, fields, dates)

    def of_state(self, record: Record) -> bytes:
        """Return the person of a RecipientState as `people` has it."""
        return self._form.of_state(record)

    def says(self, person: bytes, event: Record) -> tuple[Says, bool]:
        """Return what a message says, and whether it can go by SMS too.

        The call's fields stand over the stored ones. But the address is as first written, and who
        opted out of SMS stays out.
        """
        rid, _, stored, _, _ = msgpack.decode(person)
        whole = {name: event[name] for name in ("orgid", "mid", "context")} | {"rid": rid}
        whole |= dict.fromkeys(self._form.fields) | self._form.over(stored, event)
        if stored.get("smsSubscribed") is False:
            whole["smsSubscribed"] = False
        return said(whole, self._fingerprint), takes_sms(whole)

    def _CallBegun(self, offset: int, key: bytes | None, event: Record) -> list[Out]:
        name = f"{event['orgid']}:!{event['mid']}:{event['key']}".encode()
        _need(event["mid"] > 0, 1 <= len(event["key"]) <= 255, len(event["digest"]) == 32)
        _need(1 <= event["count"] <= 100_000, key == name)
        _need(home_of(name, self.partitions) == self.partition)
        for old in list(self.calls)[:2]:
            if self.calls[old].begun_at + 26 * _HOUR > self.now:
                break
            del self.calls[old]
        known = self.calls.get(name)
        if known and self.now < known.begun_at + 24 * _HOUR:
            if (known.digest, known.count) != (event["digest"], event["count"]):
                return _answer(event, "OTHER_CALL")
            return _answer(event, "KNOWN", known.call, known.begun_at)
        number = (offset + 1) * 1024 + self.partition
        call = Call(number, self.now, event["digest"], event["count"])
        if sum(1 + each.count for each in (*self.calls.values(), call)) > 1_000_000:
            return _answer(event, "TOO_MANY")
        self.calls.pop(name, None)
        self.calls[name] = call
        return _answer(event, "BEGUN", number, self.now)

    def _RecipientTriggeredOnce(self, offset: int, key: bytes | None, event: Record) -> list[Out]:
        begun_at = event["begun_at"]
        _need(begun_at - _HOUR <= self.now < begun_at + 25 * _HOUR, event["call"] > 0)
        self._name(key, event)
        entry = event["call"], event["index"]
        outs: list[Out] = []
        if entry not in self.once:
            # Whether anybody waits or not, the answer is kept.
            outs = self._RecipientTriggered(offset, key, event | {"reply_partition": 0})
            told = outs.pop()
            if isinstance(told, Ack):
                self.once[entry], self.begun[entry] = (told.rid, told.outcome), begun_at
        return [*outs, *_ack(event, *self.once[entry])]

    def _name(self, key: bytes | None, event: Record) -> bytes:
        """Return the log key of an event's address, when the record's own is its recipient's."""
        org, rid, email = event["orgid"], event["rid"], event["email"]
        _need(event["mid"] > 0, rid >= 0, event["status"] in (-1, 0, 1, 3))
        _need(email.isprintable(), len(email) <= 254, rid or "@" in email)
        name = f"{org}:{same_person(email)}".encode()
        _need(key == (b"%d:#%d" % (org, rid) if rid else name))
        _need(not rid or rid % 1024 == self.partition)
        return name

    def _RecipientTriggered(self, offset: int, key: bytes | None, event: Record) -> list[Out]:
        org, rid, email = event["orgid"], event["rid"], event["email"]
        name = self._name(key, event)
        mailing = self.mailings.get((org, event["mid"]))
        if mailing is None:
            return _ack(event, 0, "UNKNOWN_MAILING")
        given, name = name if email else b"", self.keys.get(rid, b"") if rid else name
        person = self.people.get(name) if name.startswith(b"%d:" % org) else None
        refusal = None
        if mailing.definition["type"] != "api-triggered":
            refusal = "NOT_TRIGGERED"
        elif mailing.state not in ("ACTIVE", "SUSPENDED"):
            refusal = "MAILING_CLOSED"
        elif rid and person is None:
            refusal = "UNKNOWN_RECIPIENT"
        elif rid and given and given != name:
            refusal = "EMAIL_MISMATCH"
        _need(person or refusal or self._is_home(name))
        if not refusal and not person and mailing.definition["unknown_recipients"] == "REJECT":
            refusal = "UNKNOWN_RECIPIENT"
        mailing.counts["triggered"] += 1
        if refusal is not None:
            mailing.counts["rejected"] += 1
            return _ack(event, 0, refusal)
        outcome: str | None = "KNOWN"
        if person is None:
            outcome, rid = "CREATED", (offset + 1) * 1024 + self.partition
            status = 1 if event["status"] == -1 else event["status"]
            person = self.kept(rid, status, event, (self.now, 0))
            self.people[name], self.keys[rid] = person, name
        rid, status = msgpack.decode(person)[:2]
        unclear = name in self.unclear
        pair = b"%d:" % rid + blake2b(comparable(event["context"]), digest_size=16).digest()
        seen = {"NONE": False, "RECIPIENT": rid in mailing.rids}
        if unclear:
            outcome, mailing.counted = None, False
        elif status == 0:
            mailing.counts[str(outcome).lower()] += 1
            mailing.counts["suppressed"] += 1
            return _ack(event, rid, "SUPPRESSED")
        elif outcome == "KNOWN" and mailing.vague:
            outcome = None
        elif seen.get(mailing.definition["dedup"], pair in mailing.pairs):
            mailing.counts["duplicates"] += 1
            return _ack(event, rid, "DUPLICATE")
        if outcome is not None:
            mailing.counts[outcome.lower()] += 1
        mailing.rids.add(rid)
        mailing.pairs.add(pair)
        says, texted = (None, True) if unclear else self.says(person, event)
        mailing.queue.append(Waits(offset, rid, says, texted, outcome is not None))
        return _ack(event, rid, outcome, unclear=unclear)

    def _RecipientQueried(self, _: int, key: bytes | None, event: Record) -> list[Out]:
        name, refusal = self._asked_for(key, event)
        return self._shown(event, name, refusal or "DONE")

    def _RecipientChanged(self, _: int, key: bytes | None, event: Record) -> list[Out]:
        _need(event["status"] in (-1, 0, 1, 3))
        name, refusal = self._asked_for(key, event)
        if refusal is not None:
            return self._shown(event, name, refusal)
        rid, before, stored, created, _ = msgpack.decode(self.people[name])
        status = before if event["status"] == -1 else event["status"]
        now = self._form.over(stored, event)
        if self._form.size(now) > 512 * 1024:
            return self._shown(event, name, "TOO_LARGE")
        if (status, now) != (before, stored):
            dates = created, self.now
            self.people[name] = self.kept(
                rid, status, dict.fromkeys(self._form.fields) | now, dates
            )
        for (org, _mid), mailing in self.mailings.items():
            if org == event["orgid"] and rid in mailing.rids:
                if status == 0:
                    mailing.take_back(rid)
                elif event["smsSubscribed"] is False:
                    mailing.take_sms_out(rid)
        return self._shown(event, name, "DONE")

    def _asked_for(self, key: bytes | None, event: Record) -> tuple[bytes, str | None]:
        """Return the log key of the recipient that is meant, and why there is none."""
        org, rid, email = event["orgid"], event["rid"], event["email"]
        _need(rid >= 0, email.isprintable(), len(email) <= 254, rid or "@" in email)
        given = f"{org}:{same_person(email)}".encode()
        _need(key == (b"%d:#%d" % (org, rid) if rid else given))
        _need(rid % 1024 == self.partition if rid else self._is_home(given))
        name = self.keys.get(rid, b"") if rid else given
        if name not in self.people or not name.startswith(b"%d:" % org):
            return b"", "UNKNOWN_RECIPIENT"
        return name, "EMAIL_MISMATCH" if email and given != name else None

    def _is_home(self, key: bytes) -> bool:
        return home_of(key, self.partitions) == self.partition

    def _shown(self, event: Record, name: bytes, outcome: str) -> list[Out]:
        if event["reply_partition"] < 0:
            return []
        shows = self._form.shown(self.people[name]) if outcome == "DONE" else {}
        call = (event["reply_partition"], event["request_id"], event["index"])
        sure = name not in self.unclear
        return [PersonAnswer(*call, outcome, shows, sure)]

    def _MailingDefined(self, _: int, _key: bytes | None, event: Record) -> list[Out]:
        _need(event["mid"] > 0, event["interval_s"] >= 0, event["origin"] != "TIMER")
        _need(1 <= len(event["name"]) <= 500, len(event["type"]) <= 50)
        _need(event["channels"], event["state"] in (None, "CREATED", "ACTIVE"))
        ident = event["orgid"], event["mid"]
        mailing = self.mailings.get(ident)
        revision = self._revision(event, mailing)
        if revision is None:
            return _copies("MailingDefined", event, 0)
        if mailing and not may_be(mailing.state, event["state"]):
            return self._refused(event, mailing)
        mailing = self.mailings.setdefault(ident, mailing or Mailing({}))
        mailing.definition = {name: event[name] for name in DEFINITION}
        mailing.definition["channels"] = sorted(set(event["channels"]))
        mailing.state = event["state"] or mailing.state
        mailing.revision, mailing.guessed = revision, False
        told = _answer(event, "DONE", revision)
        return [*_copies("MailingDefined", event, revision), *told]

    def _MailingSwitched(self, _: int, _key: bytes | None, event: Record) -> list[Out]:
        _need(event["origin"] != "TIMER")
        mailing = self.mailings.get((event["orgid"], event["mid"]))
        revision = self._revision(event, mailing)
        if revision is None:
            return _copies("MailingSwitched", event, 0)
        if mailing is None:
            return _answer(event, "UNKNOWN_MAILING")
        if not may_be(mailing.state, event["state"]):
            return self._refused(event, mailing)
        mailing.revision, mailing.state = revision, event["state"]
        told = _answer(event, "DONE", revision)
        return [*_copies("MailingSwitched", event, revision), *told]

    def _MailingInvoked(self, _: int, _key: bytes | None, event: Record) -> list[Out]:
        mailing = self.mailings.get((event["orgid"], event["mid"]))
        takes = mailing is not None and mailing.definition["type"] == "api-triggered"
        if event["origin"] == "TIMER":
            due = mailing is not None and event["invocation"] == mailing.invocation + 1
            if mailing and takes and due and mailing.state == "ACTIVE":
                return [*_cut(mailing)]
            return []
        revision = self._revision(event, mailing)
        copies = _copies("MailingInvoked", event, revision or 0)
        if revision is None:
            return copies
        if mailing is None:
            return _answer(event, "UNKNOWN_MAILING")
        if not takes:
            return _answer(event, "NOT_TRIGGERED", mailing.revision)
        if mailing.state != "ACTIVE":
            return self._refused(event, mailing)
        mailing.revision = revision
        sure = not mailing.vague and all(message.sure for message in mailing.queue)
        messages = len(mailing.queue)
        cut = _cut(mailing)
        return [*copies, *_answer(event, "DONE", revision, messages, sure=sure), *cut]

    def _MailingQueried(self, _: int, _key: bytes | None, event: Record) -> list[Out]:
        org, mid = event["orgid"], event["mid"]
        if mid and (org, mid) not in self.mailings:
            return _answer(event, "UNKNOWN_MAILING")
        mids = [mid] if mid else sorted(m for o, m in self.mailings if o == org)
        if not mid:
            mids = [m for m in mids if m > event["after_mid"]]
            mids = mids[: max(0, min(event["limit"], 1000))]
        shown = tuple(shown_as(org, m, self.mailings[org, m]) for m in mids)
        sure = all(self.mailings[org, m].counted for m in mids)
        return _answer(event, "DONE", shown=shown, sure=sure)

    def _PendingQueried(self, _: int, _key: bytes | None, event: Record) -> list[Out]:
        mailing = self.mailings.get((event["orgid"], event["mid"]))
        if mailing is None:
            return _answer(event, "UNKNOWN_MAILING")
        waits = [(w.offset, w.rid) for w in mailing.queue if w.offset > event["after"]]
        shown = tuple(waits[: max(0, min(event["limit"], 1000))])
        return _answer(event, "DONE", shown=shown, sure=not mailing.vague)

    def _DryRunQueried(self, _: int, _key: bytes | None, event: Record) -> list[Out]:
        _need(event["mid"] > 0, len(event["entries"]) <= 500)
        _need(all(0 <= entry["index"] < 2**31 for entry in event["entries"]))
        whole = dict.fromkeys(self._form.fields) | event
        told = foretold(self, whole, Model._RecipientTriggered)
        shown = tuple((ack.entry, max(ack.rid, 0), ack.outcome) for ack in told)
        sure = all(ack.outcome is not None and not ack.unclear for ack in told)
        return _answer(event, "DONE", shown=shown, sure=sure)

    def _refused(self, event: Record, mailing: Mailing) -> list[Out]:
        shown = shown_as(event["orgid"], event["mid"], mailing)
        told = (event, "WRONG_STATE", mailing.revision)
        return _answer(*told, shown=(shown,), sure=mailing.counted)

    def _revision(self, event: Record, mailing: Mailing | None) -> int | None:
        """Return the event's revision here, None when this partition has it."""
        home = home_of(b"%d:@%d" % (event["orgid"], event["mid"]), self.partitions)
        _need((home == self.partition) == (event["origin"] == "REQUEST"))
        known = mailing.revision if mailing else 0
        if event["origin"] == "REQUEST":
            return known + 1
        return event["revision"] if event["revision"] > known else None


def shown_as(orgid: int, mid: int, mailing: Mailing) -> tuple[Any, ...]:
    """Return a mailing as an answer shows it, but for what is sent, which no log says."""
    definition = (mailing.definition[name] for name in DEFINITION)
    counts = (mailing.counts[name] for name in ENTRIES)
    return (orgid, mid, mailing.revision, mailing.state, *definition, mailing.invocation, *counts)


def _cut(mailing: Mailing) -> list[Send]:
    mailing.invocation += 1
    channels = ["EMAIL", "SMS"] if mailing.guessed else mailing.definition["channels"]
    cut, mailing.queue = mailing.queue, []
    mailing.rids, mailing.pairs = set(), set()
    if mailing.vague:
        # Perhaps it was this cut that came too late, and they go with the next.
        cut = [message._replace(sure=False) for message in cut]
    if mailing.vague and not mailing.guessed:
        mailing.vague -= 1
    for message in cut:
        for counter in drained(channels, texted=message.texted) if message.sure else ():
            mailing.counts[counter] += 1
    return [
        Send(message.offset, message.rid, mailing.invocation, message.says, channel, message.sure)
        for message in cut
        for channel in channels
        if channel == "EMAIL" or message.texted
    ]


def _copies(name: str, event: Record, revision: int) -> list[Out]:
    """Return the copies that a request makes, or the one that *event* is."""
    made = event["origin"] == "REQUEST"
    return [Copy(name, event["orgid"], event["mid"], revision if made else event["revision"], made)]


def _ack(event: Record, rid: int, outcome: str | None, *, unclear: bool = False) -> list[Out]:
    call = (event["reply_partition"], event["request_id"], event["index"])
    return [Ack(*call, rid, outcome, unclear)] if event["reply_partition"] >= 0 else []


def _answer(
    event: Record,
    outcome: str,
    revision: int = 0,
    messages: int = 0,
    *,
    shown: tuple[tuple[Any, ...], ...] = (),
    sure: bool = True,
) -> list[Out]:
    call = (event["reply_partition"], event["request_id"])
    told = Answer(*call, outcome, revision, messages, shown, sure)
    return [told] if event["reply_partition"] >= 0 else []
