"""The specification once more, written apart from the product: what a partition's log means.

It shares with the product the names of fields and nothing else, and is written to be read: messages
are whole at once and sent at their cut, whatever is not understood is dead. It is compiled where
there is a C compiler, since every event passes here.
"""

from __future__ import annotations

from collections import ChainMap
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from streams.verify.before import Before
from streams.verify.calls import HOUR, Call, Calls
from streams.verify.caps import Caps
from streams.verify.consequences import Ack, Dead, PersonAnswer, Send, Waits, ack, answer, copies
from streams.verify.dry_run import SetAbove, comparable, foretold
from streams.verify.erased import Erased, erase
from streams.verify.identities import home_of, same_person
from streams.verify.mailing import API_TRIGGERED, DEFINITION, Mailing, may_be, shown_as
from streams.verify.people import People, digest_of, packed, rid_and_status

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, MutableMapping, MutableSet

    from streams.verify.consequences import Out
    from streams.verify.mailing import MailingId
    from streams.verify.people import Says
    from streams.verify.records import Record, Records

    Rule = Callable[[int, bytes | None, Record], list[Out]]


def digest(fields: Record) -> bytes:
    """Return what tells these fields from any others."""
    return blake2b(packed(fields), digest_size=16).digest()


def _need(condition: object) -> None:
    if not condition:
        raise ValueError("nothing to be folded")


class Model:
    """The meaning of the log of *partition*.

    *fingerprint* makes of what a message says, value by value, what is kept of it.

    *people* are by log key, as `People` keeps them. Of those who are *unclear* only the rid is
    known: what they were when the log that is left begins, it does not say. Those of them who are
    there *perhaps* were erased, and deleted events decide whether they came back.
    """

    def __init__(
        self,
        partition: int,
        partitions: int,
        records: Records,
        fingerprint: Callable[[list[Any]], Hashable] = digest_of,
    ) -> None:
        self.partition, self.partitions = partition, partitions
        self.people: MutableMapping[bytes, bytes] = {}
        self.keys: MutableMapping[int, bytes] = {}
        self.mailings: dict[MailingId, Mailing] = {}
        self.unclear: MutableSet[bytes] = set()
        self.perhaps: MutableSet[bytes] = set()
        # How many were ever there perhaps.
        self.doubts = 0
        self.erased = Erased()
        self.before = Before()
        # By call and index what was answered, and when the call began.
        self.calls = Calls()
        self.once: dict[tuple[int, int], Ack] = {}
        self.begun: dict[tuple[int, int], int] = {}
        self.caps = Caps()
        # Of the event that is met: its offset and log time.
        self.at, self.now = -1, 0
        self.records, self.fingerprint = records, fingerprint
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
        self.at, self.now = offset, max(time_ms, 0)
        event: Record = {}
        try:
            _need(value is None or len(value) <= 512 * 1024)
            name, read = self.records.read(value)
            rule: Rule | None = getattr(self, f"_{name}", None)
            if rule is None:
                return [Dead()]
            event = read
            _need(not aside and event["orgid"] > 0 and -1 <= event["reply_partition"] < 8)
            _need(0 <= event["index"] < 2**31 and len(event["request_id"]) <= 64)
            return rule(offset, key, event)
        except ValueError:
            if not event:
                return [Dead()]
            return [Dead(event["reply_partition"], event["request_id"], event["index"])]

    def begin_after(self, before: Before) -> None:
        """Take what is known from *before* the log's first event."""
        self.before = self.calls.before = before

    def doubt(self, key: bytes, rid: int) -> None:
        """Take somebody who is erased, or came back: from now on there perhaps."""
        self.people[key], self.keys[rid] = self.nameless(rid), key
        self.unclear.add(key)
        self.perhaps.add(key)
        self.doubts += 1

    def above(self, mailings: dict[MailingId, Mailing]) -> Model:
        """Return one that knows what this one does, and keeps for itself what it is told.

        Of mailings it has only these.
        """
        above = Model(self.partition, self.partitions, self.records, self.fingerprint)
        above.people, above.keys = ChainMap({}, self.people), ChainMap({}, self.keys)
        above.unclear, above.perhaps = SetAbove(self.unclear), SetAbove(self.perhaps)
        above.erased = replace(self.erased, left=dict(self.erased.left))
        above.before, above.caps = self.before, self.caps.above()
        above.mailings = mailings
        above.at, above.now = self.at, self.now
        return above

    def remember(self, entry: tuple[int, int], rid: int, outcome: str, begun_at: int) -> None:
        """Know what an entry of such a call was answered."""
        self.once[entry], self.begun[entry] = Ack(0, "", 0, rid, outcome), begun_at

    def kept(self, rid: int, status: int, fields: Record, dates: tuple[int, int] = (0, 0)) -> bytes:
        """Return a person as `people` has it."""
        return self._form.kept(rid, status, fields, dates)

    def nameless(self, rid: int) -> bytes:
        """Return a person of whom nothing but the rid is known."""
        return self._form.nameless(rid)

    def of_state(self, record: Record) -> bytes:
        """Return the person of a RecipientState as `people` has it."""
        return self._form.of_state(record)

    def shown(self, person: bytes) -> Record:
        """Return a person of `people` as a RecipientState."""
        return self._form.shown(person)

    def says(self, person: bytes, event: Record) -> tuple[Says, bool]:
        """Return what a message says, and whether it can go by SMS too.

        The call's fields stand over the stored ones. But the address is as first written, and who
        opted out of SMS stays out.
        """
        return self._form.says(person, event, self.fingerprint)

    def said(self, message: Record) -> Says:
        """Return what tells this message from any other."""
        return self._form.said(message, self.fingerprint)

    def _CallBegun(self, offset: int, key: bytes | None, event: Record) -> list[Out]:
        name = f"{event['orgid']}:!{event['mid']}:{event['key']}".encode()
        _need(event["mid"] > 0 and 1 <= len(event["key"]) <= 255 and len(event["digest"]) == 32)
        _need(1 <= event["count"] <= 100_000 and key == name)
        _need(home_of(name, self.partitions) == self.partition)
        number = (offset + 1) * 1024 + self.partition
        new = Call(number, self.now, event["digest"], event["count"])
        outcome, call = self.calls.begin(name, new)
        told = (call.call, call.begun_at) if outcome in {"BEGUN", "KNOWN"} else (0, 0)
        return answer(event, outcome, *told, sure=call.sure)

    def _RecipientTriggeredOnce(self, offset: int, key: bytes | None, event: Record) -> list[Out]:
        begun_at = event["begun_at"]
        _need(begun_at - HOUR <= self.now < begun_at + 25 * HOUR and event["call"] > 0)
        self._name(key, event)
        entry = event["call"], event["index"]
        outs: list[Out] = []
        if entry not in self.once:
            # Whether anybody waits or not, the answer is kept.
            again = begun_at - HOUR <= self.before.begin_ms
            asked = event | {"reply_partition": 0}
            outs = self._RecipientTriggered(offset, key, asked, again=again)
            first = outs.pop()
            if isinstance(first, Ack):
                kept = self.before.once.get(entry)
                # It may be a repeat, whomever and whatever mailing the first one named.
                if kept is not None:
                    first = first._replace(rid=kept[0], outcome=kept[1])
                self.once[entry], self.begun[entry] = first, begun_at
        told = self.once[entry]
        return [*outs, *ack(event, told.rid, told.outcome, unclear=told.unclear, open_=told.open)]

    def _name(self, key: bytes | None, event: Record) -> bytes:
        """Return the log key of an event's address, when the record's own is its recipient's."""
        org, rid, email = event["orgid"], event["rid"], event["email"]
        _need(event["mid"] > 0 and rid >= 0 and event["status"] in (-1, 0, 1, 3))
        _need(email.isprintable() and len(email) <= 254 and (rid or "@" in email))
        name = f"{org}:{same_person(email)}".encode()
        _need(key == (b"%d:#%d" % (org, rid) if rid else name))
        _need(not rid or rid % 1024 == self.partition)
        return name

    def _RecipientTriggered(
        self, offset: int, key: bytes | None, event: Record, *, again: bool = False
    ) -> list[Out]:
        """Fold a trigger; *again*: one of a call whose first one may have been deleted."""
        org, rid, email = event["orgid"], event["rid"], event["email"]
        name = self._name(key, event)
        mailing = self.mailings.get((org, event["mid"]))
        if mailing is None:
            return ack(event, 0, "UNKNOWN_MAILING")
        given, name = name if email else b"", self.keys.get(rid, b"") if rid else name
        is_open, is_guessed = self.at <= mailing.open, self.at <= mailing.guessed
        born = (again or is_open or is_guessed) and self.at in self.before.born
        perhaps = (again or is_open) and not born
        refusal = None if perhaps or is_open else mailing.refusal()
        if not refusal and not rid and (perhaps or is_guessed):
            # Who was erased comes back under the rid of old: no rid says whether it was here.
            left = self.erased.back(name)
            if left is not None:
                self.doubt(name, left.rid)
        person = self.people.get(name) if name.startswith(b"%d:" % org) else None
        there = person is None or name not in self.perhaps
        if refusal is None and rid and person is None:
            refusal = "UNKNOWN_RECIPIENT"
        elif refusal is None and rid and given and given != name:
            refusal = "EMAIL_MISMATCH"
        if not person and not refusal:
            _need(self._is_home(name) or (perhaps and self.at not in self.before.laid))
            rejects = mailing.definition["unknown_recipients"] == "REJECT"
            if is_open or is_guessed:
                rejects = not born
            if perhaps or rejects:
                refusal = "UNKNOWN_RECIPIENT"
        if perhaps:
            mailing.counted = False
        else:
            mailing.counts["triggered"] += 1
        if refusal is not None:
            if perhaps:
                return ack(event, 0, None, open_=True)
            mailing.counts["rejected"] += 1
            sure = there or refusal != "EMAIL_MISMATCH"
            return ack(event, 0, refusal if sure else None, open_=not sure)
        if not there and not (rid or perhaps or is_guessed):
            # Whoever was not there is created, unless the mailing does not want that.
            there = mailing.definition["unknown_recipients"] != "REJECT"
            self.perhaps -= {name} if there else set()
        outcome: str | None = "KNOWN"
        if person is None:
            outcome, rid = "CREATED", (offset + 1) * 1024 + self.partition
            status = 1 if event["status"] == -1 else event["status"]
            left = self.erased.back(name)
            if left is not None:
                rid, status = left.rid, status if left.status else 0
                event = event | ({"smsSubscribed": False} if left.sms_opted_out else {})
                self.unclear |= set() if left.sure else {name}
            person = self.kept(rid, status, event, (self.now, 0))
            self.people[name], self.keys[rid] = person, name
        rid, status = rid_and_status(person)
        unclear = name in self.unclear
        pair = b"%d:%d" % (rid, hash(comparable(event["context"])))
        seen = {"NONE": False, "RECIPIENT": rid in mailing.rids}
        repeated = seen.get(mailing.definition["dedup"], pair in mailing.pairs)
        cap, whose = mailing.definition["hourly_cap"], (org, event["mid"], rid)
        full = None if self._forgot(mailing) else self.caps.full(whose, cap, self.now)
        doubted = outcome == "KNOWN" and (full is None or rid in mailing.may_wait)
        if perhaps and status == 0 and not unclear:
            return ack(event, rid, None, open_=True)
        if perhaps or unclear:
            # Of what may be a message, whatever comes after it may be a duplicate.
            outcome, mailing.counted = None, False
            mailing.vague = mailing.vague or perhaps
        elif status != 0 and outcome == "KNOWN" and (mailing.vague or doubted):
            outcome = None
        elif status != 0 and repeated:
            mailing.counts["duplicates"] += 1
            return ack(event, rid, "DUPLICATE")
        elif status == 0 or full:
            mailing.counts[str(outcome).lower()] += 1
            mailing.counts["suppressed"] += 1
            return ack(event, rid, "SUPPRESSED")
        if outcome is None:
            mailing.may_wait.add(rid)
        else:
            mailing.counts[outcome.lower()] += 1
        if cap or is_guessed:
            self.caps.take(whose, self.now, sure=outcome is not None and not is_guessed)
        mailing.rids.add(rid)
        mailing.pairs.add(pair)
        says, texted = (None, True) if unclear else self.says(person, event)
        mailing.queue.append(Waits(offset, rid, says, texted, outcome is not None))
        unclear = unclear or doubted or full is True
        return ack(event, rid, outcome, unclear=unclear, open_=perhaps or not there)

    def _forgot(self, mailing: Mailing) -> bool:
        """Whether messages may count towards its cap that the log that is left does not have."""
        if mailing.counted:
            return False
        young = self.now < self.before.begin_ms + HOUR or mailing.guessed >= 0
        return self.at <= mailing.guessed or bool(young and mailing.definition["hourly_cap"])

    def perhaps_sent(self) -> list[Send]:
        """Return what the model has waiting, and may have been cut before it can be certain."""
        return [
            Send(waits.offset, waits.rid, 0, waits.says, channel, sure=False)
            for mailing in self.mailings.values()
            if mailing.vague
            for waits in mailing.queue
            for channel in ("EMAIL", "SMS")
        ]

    def _RecipientQueried(self, _: int, key: bytes | None, event: Record) -> list[Out]:
        name, refusal = self._asked_for(key, event)
        return self._shown(event, name, refusal or "DONE")

    def _RecipientChanged(self, _: int, key: bytes | None, event: Record) -> list[Out]:
        _need(event["status"] in (-1, 0, 1, 3))
        name, refusal = self._asked_for(key, event)
        if refusal is not None:
            return self._shown(event, name, refusal)
        person = self.people[name]
        rid, before = rid_and_status(person)
        status = before if event["status"] == -1 else event["status"]
        changed = self._form.changed(person, event, status, self.now)
        if changed is None:
            return self._shown(event, name, "TOO_LARGE")
        self.people[name] = changed
        for (org, _mid), mailing in self.mailings.items():
            if org == event["orgid"] and rid in mailing.rids:
                if status == 0:
                    mailing.take_back(rid)
                elif event["smsSubscribed"] is False:
                    mailing.take_sms_out(rid)
        return self._shown(event, name, "DONE")

    def _RecipientErased(self, _: int, key: bytes | None, event: Record) -> list[Out]:
        _need(len(event["secret"]) == 32)
        return erase(self, event, *self._asked_for(key, event))

    def _asked_for(self, key: bytes | None, event: Record) -> tuple[bytes, str | None]:
        """Return the log key of the recipient that is meant, and why there is none."""
        org, rid, email = event["orgid"], event["rid"], event["email"]
        _need(rid >= 0 and email.isprintable() and len(email) <= 254 and (rid or "@" in email))
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
        shows = self.shown(self.people[name]) if outcome == "DONE" else {}
        call = (event["reply_partition"], event["request_id"], event["index"])
        sure = name not in self.unclear
        return [PersonAnswer(*call, outcome, shows, sure)]

    def _MailingDefined(self, _: int, _key: bytes | None, event: Record) -> list[Out]:
        _need(event["mid"] > 0 and event["interval_s"] >= 0 and event["origin"] != "TIMER")
        _need(1 <= len(event["name"]) <= 500 and len(event["type"]) <= 50)
        _need(event["channels"] and event["state"] in (None, "CREATED", "ACTIVE"))
        _need(0 <= event["hourly_cap"] <= 1000)
        ident = event["orgid"], event["mid"]
        mailing = self.mailings.get(ident)
        revision = self._revision(event, mailing)
        if revision is None:
            return copies("MailingDefined", event, 0)
        if mailing and not may_be(mailing.state, event["state"]):
            return self._refused(event, mailing)
        mailing = self.mailings.setdefault(ident, mailing or Mailing({}))
        mailing.definition = {name: event[name] for name in DEFINITION}
        mailing.definition["channels"] = sorted(set(event["channels"]))
        mailing.state = event["state"] or mailing.state
        mailing.revision = revision
        told = answer(event, "DONE", revision)
        return [*copies("MailingDefined", event, revision), *told]

    def _MailingSwitched(self, _: int, _key: bytes | None, event: Record) -> list[Out]:
        _need(event["origin"] != "TIMER")
        mailing = self.mailings.get((event["orgid"], event["mid"]))
        revision = self._revision(event, mailing)
        if revision is None:
            return copies("MailingSwitched", event, 0)
        if mailing is None:
            return answer(event, "UNKNOWN_MAILING")
        if not may_be(mailing.state, event["state"]):
            return self._refused(event, mailing)
        mailing.revision, mailing.state = revision, event["state"]
        told = answer(event, "DONE", revision)
        return [*copies("MailingSwitched", event, revision), *told]

    def _MailingInvoked(self, offset: int, _key: bytes | None, event: Record) -> list[Out]:
        mailing = self.mailings.get((event["orgid"], event["mid"]))
        takes = mailing is not None and mailing.definition["type"] == API_TRIGGERED
        if event["origin"] == "TIMER":
            due = mailing is not None and event["invocation"] == mailing.invocation + 1
            if mailing and takes and due and mailing.state == "ACTIVE":
                return [*mailing.cut(offset)]
            return []
        revision = self._revision(event, mailing)
        made = copies("MailingInvoked", event, revision or 0)
        if revision is None:
            return made
        if mailing is None:
            return answer(event, "UNKNOWN_MAILING")
        if not takes:
            return answer(event, "NOT_TRIGGERED", mailing.revision)
        if mailing.state != "ACTIVE":
            return self._refused(event, mailing)
        mailing.revision = revision
        sure = not mailing.vague and all(message.sure for message in mailing.queue)
        messages = len(mailing.queue)
        cut = mailing.cut(offset)
        return [*made, *answer(event, "DONE", revision, messages, sure=sure), *cut]

    def _MailingQueried(self, _: int, _key: bytes | None, event: Record) -> list[Out]:
        org, mid = event["orgid"], event["mid"]
        if mid and (org, mid) not in self.mailings:
            return answer(event, "UNKNOWN_MAILING")
        mids = [mid] if mid else sorted(m for o, m in self.mailings if o == org)
        if not mid:
            mids = [m for m in mids if m > event["after_mid"]]
            mids = mids[: max(0, min(event["limit"], 1000))]
        shown = tuple(shown_as(org, m, self.mailings[org, m]) for m in mids)
        sure = all(self.mailings[org, m].counted for m in mids)
        return answer(event, "DONE", shown=shown, sure=sure)

    def _PendingQueried(self, _: int, _key: bytes | None, event: Record) -> list[Out]:
        mailing = self.mailings.get((event["orgid"], event["mid"]))
        if mailing is None:
            return answer(event, "UNKNOWN_MAILING")
        waits = [(w.offset, w.rid) for w in mailing.queue if w.offset > event["after"]]
        shown = tuple(waits[: max(0, min(event["limit"], 1000))])
        sure = not mailing.vague and all(message.sure for message in mailing.queue)
        return answer(event, "DONE", shown=shown, sure=sure)

    def _DryRunQueried(self, _: int, _key: bytes | None, event: Record) -> list[Out]:
        _need(event["mid"] > 0 and len(event["entries"]) <= 500)
        _need(all(0 <= entry["index"] < 2**31 for entry in event["entries"]))
        whole = dict.fromkeys(self._form.fields) | event
        shown, sure = foretold(self, whole, Model._RecipientTriggered)
        return answer(event, "DONE", shown=shown, sure=sure)

    def _refused(self, event: Record, mailing: Mailing) -> list[Out]:
        shown = shown_as(event["orgid"], event["mid"], mailing)
        told = (event, "WRONG_STATE", mailing.revision)
        return answer(*told, shown=(shown,), sure=mailing.counted)

    def _revision(self, event: Record, mailing: Mailing | None) -> int | None:
        """Return the event's revision here, None when this partition has it."""
        home = home_of(b"%d:@%d" % (event["orgid"], event["mid"]), self.partitions)
        _need((home == self.partition) == (event["origin"] == "REQUEST"))
        known = mailing.revision if mailing else 0
        if event["origin"] == "REQUEST":
            return known + 1
        return event["revision"] if event["revision"] > known else None
