"""What callers were told, beside what the log says they have to be told.

Of each entry of a call one answer is kept, packed into a number, under a digest of the call's name.
Entries of a partition are answered in the order of its log, and again from some
place on after a crash; so are control events. So where retention has taken the oldest, everything
after the first one that is still there has to be there too.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from streams.verify.consequences import Ack, Answer, Dead, PersonAnswer
from streams.verify.mailing import SHOWN
from streams.verify.model import digest
from streams.verify.reading import ACKS, LOG
from streams.verify.report import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.verify.reading import Raw, Topics
    from streams.verify.records import Record, Records
    from streams.verify.report import Report

_OUTCOMES = (
    "FAILED",
    "CREATED",
    "KNOWN",
    "DUPLICATE",
    "SUPPRESSED",
    "UNKNOWN_RECIPIENT",
    "EMAIL_MISMATCH",
    "UNKNOWN_MAILING",
    "MAILING_CLOSED",
    "NOT_TRIGGERED",
    "an answer to a control event",
    "an answer about a recipient",
)
_PLACES = {outcome: place for place, outcome in enumerate(_OUTCOMES)}
_FAILED, _CONTROL, _PERSON = 0, len(_OUTCOMES) - 2, len(_OUTCOMES) - 1
_ANSWERS = (_CONTROL, _PERSON)
_MATCHED = 1
_NUMBER_BITS, _FOUND_BITS = 2**64 - 1, 2**71 - 1
_CALL_BYTES = 12


class _Found(NamedTuple):
    """An answer: the outcome's place in the list; the rid, or a digest of what is not an ack's."""

    outcome: int
    number: int


class _Other(NamedTuple):
    """An event whose answer is another one."""

    partition: int
    offset: int
    wanted: _Found
    reply_partition: int
    required: bool


class Told:
    """The answers in `mailing.acks`; `take` them all, then `expect` each event's, then `finish`."""

    def __init__(self, topics: Topics, records: Records, report: Report) -> None:
        self._topics, self._records, self._report = topics, records, report
        self._first: dict[bytes, int] = {}
        self._more: dict[bytes, list[int]] = {}
        self._others: dict[bytes, list[_Other]] = {}
        # The lowest place at which an answer of (partition, reply partition) was met; entries and
        # control events apart, since those of one transaction do not come in the log's order.
        self._met: dict[tuple[int, int, bool], int] = {}

    def take(self, raw: Raw) -> None:
        """Take a record of the topic."""
        try:
            name, record = self._records.read(raw.value)
        except ValueError:
            name, record = "", {}
        if name == "Acknowledgement":
            for call in record["calls"]:
                for entry in call["entries"]:
                    where = _call(raw.partition, call["request_id"], entry["index"])
                    outcome = _PLACES[entry["outcome"]]
                    self._note(where, _Found(outcome, entry["rid"]), raw, "acks")
        elif name in {"MailingAnswer", "PendingAnswer", "CallAnswer", "DryRunAnswer"}:
            where = _control(raw.partition, record["request_id"], record["index"])
            outcome = _FAILED if record["outcome"] == "FAILED" else _CONTROL
            number = 0 if outcome == _FAILED else _digest_of(name, record)
            self._note(where, _Found(outcome, number), raw, "answers")
        elif name == "RecipientAnswer":
            where = _call(raw.partition, record["request_id"], record["index"])
            self._note(where, self._about_person(record), raw, "answers")
        else:
            self._report.breach(
                Kind.UNEXPECTED, ACKS, raw.partition, raw.offset, detail="no answer of ours"
            )

    def _about_person(self, record: Record) -> _Found:
        if record["outcome"] == "FAILED":
            return _Found(_FAILED, 0)
        try:
            shows = self._records.read(record["recipient"])[1] if record["recipient"] else {}
        except ValueError:
            shows = {"unreadable": True}
        return _Found(_PERSON, _digest_of_person(record["outcome"], shows))

    def _note(self, where: bytes, found: _Found, raw: Raw, what: str) -> None:
        packed = _packed(found, raw.partition, raw.offset)
        self._report.counts[what] += 1
        first = self._first.get(where)
        if first is None:
            self._first[where] = packed
            return
        more = self._more.get(where, [])
        if found in [_unpacked(known)[0] for known in (first, *more)]:
            self._report.counts[f"{what}_repeated"] += 1
        else:
            self._more[where] = [*more, packed]

    def expect(
        self,
        partition: int,
        offset: int,
        out: Ack | Answer | PersonAnswer | Dead,
        *,
        required: bool,
    ) -> None:
        """Look for the answer of the event at *partition*, *offset*, which nobody told so far."""
        reply = out.reply_partition
        if isinstance(out, Dead):
            # Who waits may be told, and need not be.
            for where, control in (
                (_call(reply, out.request_id, out.entry), False),
                (_control(reply, out.request_id, partition), True),
            ):
                self._match(where, lambda found: found.outcome == _FAILED, partition, control)
            return
        if isinstance(out, Ack):
            where = _call(reply, out.request_id, out.entry)
            unsure = out.outcome is None
            wanted = _Found(_PLACES[out.outcome or "KNOWN"], out.rid)
        elif isinstance(out, PersonAnswer):
            where, unsure = _call(reply, out.request_id, out.entry), not out.sure
            wanted = _Found(_PERSON, _digest_of_person(out.outcome, out.shows))
        else:
            where, unsure = _control(reply, out.request_id, partition), not out.sure
            wanted = _Found(_CONTROL, _digest(out.outcome, out.revision, out.messages, out.shown))

        def fits(found: _Found) -> bool:
            if not unsure:
                return found == wanted
            if isinstance(out, Ack):
                return out.may_be(found.number, _OUTCOMES[found.outcome])
            return found.outcome == wanted.outcome

        if not unsure and self._match_first(where, wanted, partition):
            return
        if unsure and required:
            self._report.counts["answers_unsure"] += 1
        if self._match(where, fits, partition, wanted.outcome in _ANSWERS):
            return
        if where in self._first:
            # Perhaps another event with this name has that answer: said when all are known.
            other = _Other(partition, offset, wanted, reply, required)
            self._others.setdefault(where, []).append(other)
        elif required:
            self._lost(partition, offset, wanted, reply)

    def expect_perhaps(self, partition: int, event: Record) -> None:
        """Look for the answer of a control event that may be a repeat of one that was deleted."""
        where = _control(event["reply_partition"], event["request_id"], partition)
        # Where it lies says nothing of what else is there: the answer may be the deleted event's.
        if where in self._first:
            self._first[where] |= _MATCHED
            self._more[where] = [packed | _MATCHED for packed in self._more.get(where, ())]

    def _match_first(self, where: bytes, wanted: _Found, partition: int) -> bool:
        """Look for the answer where it nearly always is: the only one, just as it is wanted."""
        first, said = self._first.get(where), (wanted.number & _NUMBER_BITS) << 7 | wanted.outcome
        if first is None or first >> 1 & _FOUND_BITS != said:
            return False
        self._first[where] = first | _MATCHED
        self._note_met((partition, first >> 72 & 0xFF, wanted.outcome in _ANSWERS), first >> 80)
        return True

    def _note_met(self, queue: tuple[int, int, bool], place: int) -> None:
        if place < self._met.get(queue, place + 1):
            self._met[queue] = place

    def _match(
        self, where: bytes, fits: Callable[[_Found], bool], partition: int, control: bool
    ) -> bool:
        first = self._first.get(where)
        if first is None:
            return False
        found, reply, place = _unpacked(first)
        if fits(found):
            self._first[where] = first | _MATCHED
        else:
            for at, packed in enumerate(self._more.get(where, ())):
                found, reply, place = _unpacked(packed)
                if fits(found):
                    self._more[where][at] = packed | _MATCHED
                    break
            else:
                return False
        if found.outcome != _FAILED:
            # Of what failed it does not show with which answers it was written.
            self._note_met((partition, reply, control), place)
        return True

    def _lost(self, partition: int, offset: int, wanted: _Found, reply: int) -> None:
        queue = (partition, reply, wanted.outcome in _ANSWERS)
        if self._topics.begins[ACKS, reply] > 0 and queue not in self._met:
            self._report.counts["answers_gone"] += 1
            return
        rid = 0 if wanted.outcome in _ANSWERS else wanted.number
        detail = f"never answered: {_OUTCOMES[wanted.outcome]}"
        self._report.breach(Kind.LOST, LOG, partition, offset, rid=rid, detail=detail)

    def finish(self, somebody: Callable[[int], bool], *, whole: bool) -> None:
        """Report every answer that no event has; *somebody* says whether a rid is a recipient's.

        Not *whole*: some partitions' events were not met.
        """
        for where, first in self._first.items():
            values = (first, *self._more.get(where, ()))
            others = self._others.get(where, [])
            matched = any(value & _MATCHED for value in values)
            strange = 0
            for value in values:
                found, reply, place = _unpacked(value)
                if value & _MATCHED:
                    continue
                if self._may_be_gone(found, reply, place) or not (whole or others or matched):
                    self._report.counts["answers_of_gone_events"] += 1
                    continue
                strange += 1
                self._report_strange(found, reply, place, others, matched, somebody)
            for other in () if strange else others:
                if other.required:
                    self._lost(other.partition, other.offset, other.wanted, other.reply_partition)

    def _report_strange(
        self,
        found: _Found,
        reply: int,
        place: int,
        others: list[_Other],
        matched: bool,
        somebody: Callable[[int], bool],
    ) -> None:
        if not others and not matched:
            rid = 0 if found.outcome in _ANSWERS else found.number
            detail = "answers no event of the log"
            self._report.breach(Kind.UNEXPECTED, ACKS, reply, place, rid=rid, detail=detail)
            return
        kind, rid, detail = Kind.CHANGED, 0, f"answered {_OUTCOMES[found.outcome]}"
        if found.outcome not in _ANSWERS and found.number:
            detail += f" with rid {found.number}"
        if others:
            other = others[0]
            detail += f" for {LOG}[{other.partition}]@{other.offset}, which is "
            detail += _OUTCOMES[other.wanted.outcome]
            rid = 0 if other.wanted.outcome in _ANSWERS else other.wanted.number
            taken = found.outcome not in _ANSWERS and found.number != rid and somebody(found.number)
            kind = Kind.COLLIDING if taken else Kind.CHANGED
        if matched:
            kind, detail = Kind.UNEQUAL_REPEAT, detail + ", and otherwise elsewhere"
        self._report.breach(kind, ACKS, reply, place, rid=rid, detail=detail)

    def _may_be_gone(self, found: _Found, reply: int, place: int) -> bool:
        """Whether the event of an answer may have been deleted, with the log's beginning."""
        begun = [p for (name, p), at in self._topics.begins.items() if name == LOG and at > 0]
        if found.outcome not in _ANSWERS and found.number:
            begun = [p for p in begun if p == found.number % 1024]
        kinds = (False, True) if found.outcome == _FAILED else (found.outcome in _ANSWERS,)
        queues = [(p, reply, control) for p in begun for control in kinds]
        # One record may hold the answers of events on both sides of the log's beginning.
        return any(place <= self._met.get(queue, place) for queue in queues)


def _call(reply: int, request_id: str, index: int) -> bytes:
    return blake2b(
        b"%d:%d:%b" % (reply, index, request_id.encode()), digest_size=_CALL_BYTES
    ).digest()


def _control(reply: int, request_id: str, partition: int) -> bytes:
    return _call(reply, request_id, -1 - partition)


def _digest_of(name: str, record: Record) -> int:
    if name == "CallAnswer":
        return _digest(record["outcome"], record["call"], record["begun_at"], ())
    if name == "DryRunAnswer":
        entries = tuple((each["index"], each["rid"], each["outcome"]) for each in record["entries"])
        return _digest(record["outcome"], 0, 0, entries)
    if name == "PendingAnswer":
        waits = tuple((message["offset"], message["rid"]) for message in record["messages"])
        return _digest(record["outcome"], 0, 0, waits)
    shown = tuple(tuple(mailing[each] for each in SHOWN) for mailing in record["mailings"])
    return _digest(record["outcome"], record["revision"], record["messages"], shown)


def _digest(outcome: str, revision: int, messages: int, shown: object) -> int:
    told = {"outcome": outcome, "numbers": (revision, messages), "shown": shown}
    return int.from_bytes(digest(told)[:7], "big")


def _digest_of_person(outcome: str, shows: Record) -> int:
    return int.from_bytes(digest({"outcome": outcome, "shows": shows})[:7], "big")


def _packed(found: _Found, reply: int, place: int) -> int:
    return ((((place << 8 | reply) << 64) | found.number & 2**64 - 1) << 8) | found.outcome << 1


def _unpacked(packed: int) -> tuple[_Found, int, int]:
    outcome, number = packed >> 1 & 0x7F, packed >> 8 & 2**64 - 1
    return _Found(outcome, number), packed >> 72 & 0xFF, packed >> 80
