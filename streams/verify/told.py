"""What callers were told, beside what the log says they have to be told.

Of each entry of a call one answer is kept, as numbers, under a digest of the call's name.
Entries of a partition are answered in the order of its log, and again from some
place on after a crash; so are control events. So where retention has taken the oldest, everything
after the first one that is still there has to be there too.

Compiled where there is a C compiler: every answer passes here.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.verify.consequences import Ack
from streams.verify.reading import ACKS, LOG
from streams.verify.report import Kind
from streams.verify.wanted import (
    CONTROL,
    FAILED,
    OUTCOMES,
    PERSON,
    PLACES,
    Names,
    Repeat,
    digest_of_answer,
    digest_of_person,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.verify.reading import Raw, Topics
    from streams.verify.records import Record, Records
    from streams.verify.report import Report
    from streams.verify.wanted import Doubt, Wanted

# As unsigned numbers of eight bytes, in which a rid that nobody has may be anything.
_EIGHT_BYTES: Final = 2**64 - 1


class _Other(NamedTuple):
    """An event whose answer is another one."""

    partition: int
    offset: int
    outcome: int
    number: int
    reply_partition: int
    required: bool


class Told:
    """The answers in `mailing.acks`; `take` them all, then `expect` each event's, then `finish`."""

    def __init__(self, topics: Topics, records: Records, report: Report) -> None:
        self._topics, self._records, self._report = topics, records, report
        self._names = Names()
        # Of each name the first answer, and the others; each is a place in what follows.
        self._first: dict[bytes, int] = {}
        self._more: dict[bytes, list[int]] = {}
        # Of each answer: the outcome's place in the list; the rid, or a digest of what is not an
        # ack's; reply partition and offset where it lies; and whether an event has it.
        self._outcomes = bytearray()
        self._numbers = array("Q")
        self._replies = array("H")
        self._places = array("q")
        self._matched = bytearray()
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
        partition, offset = raw.partition, raw.offset
        if name == "Acknowledgement":
            for call in record["calls"]:
                request_id: str = call["request_id"]
                for entry in call["entries"]:
                    where = self._names.of(partition, request_id, entry["index"])
                    outcome = PLACES[entry["outcome"]]
                    self._note(where, outcome, entry["rid"], partition, offset, "acks")
        elif name in {"MailingAnswer", "PendingAnswer", "CallAnswer", "DryRunAnswer"}:
            where = self._names.of_control(partition, record["request_id"], record["index"])
            outcome = FAILED if record["outcome"] == "FAILED" else CONTROL
            number = 0 if outcome == FAILED else digest_of_answer(name, record)
            self._note(where, outcome, number, partition, offset, "answers")
        elif name == "RecipientAnswer":
            where = self._names.of(partition, record["request_id"], record["index"])
            outcome, number = self._about_person(record)
            self._note(where, outcome, number, partition, offset, "answers")
        else:
            self._report.breach(
                Kind.UNEXPECTED, ACKS, partition, offset, detail="no answer of ours"
            )

    def _about_person(self, record: Record) -> tuple[int, int]:
        if record["outcome"] == "FAILED":
            return FAILED, 0
        try:
            shows = self._records.read(record["recipient"])[1] if record["recipient"] else {}
        except ValueError:
            shows = {"unreadable": True}
        return PERSON, digest_of_person(record["outcome"], shows)

    def _note(
        self, where: bytes, outcome: int, number: int, reply: int, place: int, what: str
    ) -> None:
        self._report.counts[what] += 1
        number &= _EIGHT_BYTES
        new = len(self._outcomes)
        first = self._first.setdefault(where, new)
        if first != new:
            more = self._more.get(where, [])
            if any(self._is(known, outcome, number) for known in (first, *more)):
                self._report.counts[f"{what}_repeated"] += 1
                return
            self._more[where] = [*more, new]
        self._outcomes.append(outcome)
        self._numbers.append(number)
        self._replies.append(reply)
        self._places.append(place)
        self._matched.append(0)

    def _is(self, known: int, outcome: int, number: int) -> bool:
        return self._outcomes[known] == outcome and self._numbers[known] == number

    def expect(self, wanted: Wanted) -> None:
        """Look for an answer which nobody told so far."""
        where, partition, offset, reply, outcome, number, required, doubt = wanted
        number &= _EIGHT_BYTES
        first = self._first.get(where, -1)
        if doubt is None and first >= 0 and self._is(first, outcome, number):
            # Where it nearly always is: the only one, just as it is wanted.
            self._match(first, partition, outcome)
            return
        answers = [first, *self._more.get(where, ())] if first >= 0 else []
        if isinstance(doubt, Repeat):
            # Where it lies says nothing of what else is there: it may be the deleted event's.
            for answer in answers:
                self._matched[answer] = 1
            return
        if doubt is not None and required:
            self._report.counts["answers_unsure"] += 1
        for answer in answers:
            if self._fits(answer, outcome, number, doubt):
                self._match(answer, partition, outcome)
                return
        if outcome == FAILED:
            return
        other = _Other(partition, offset, outcome, number, reply, required)
        if answers:
            # Perhaps another event with this name has that answer: said when all are known.
            self._others.setdefault(where, []).append(other)
        elif required:
            self._lost(other)

    def _fits(self, answer: int, outcome: int, number: int, doubt: Doubt | None) -> bool:
        if doubt is None:
            return self._is(answer, outcome, number)
        if isinstance(doubt, Ack):
            return doubt.may_be(self._numbers[answer], OUTCOMES[self._outcomes[answer]])
        return self._outcomes[answer] == outcome

    def _match(self, answer: int, partition: int, outcome: int) -> None:
        self._matched[answer] = 1
        if outcome == FAILED:
            # Of what failed it does not show with which answers it was written.
            return
        queue, place = (partition, self._replies[answer], outcome >= CONTROL), self._places[answer]
        if place < self._met.get(queue, place + 1):
            self._met[queue] = place

    def _lost(self, other: _Other) -> None:
        reply = other.reply_partition
        queue = (other.partition, reply, other.outcome >= CONTROL)
        if self._topics.begins[ACKS, reply] > 0 and queue not in self._met:
            self._report.counts["answers_gone"] += 1
            return
        detail = f"never answered: {OUTCOMES[other.outcome]}"
        rid = _rid(other.outcome, other.number)
        self._report.breach(Kind.LOST, LOG, other.partition, other.offset, rid=rid, detail=detail)

    def finish(self, somebody: Callable[[int], bool], *, whole: bool) -> None:
        """Report every answer that no event has; *somebody* says whether a rid is a recipient's.

        Not *whole*: some partitions' events were not met.
        """
        for where, first in self._first.items():
            if self._matched[first] and where not in self._more and where not in self._others:
                continue
            answers = (first, *self._more.get(where, ()))
            others = self._others.get(where, [])
            matched = any(self._matched[answer] for answer in answers)
            strange = 0
            for answer in answers:
                if self._matched[answer]:
                    continue
                if self._may_be_gone(answer) or not (whole or others or matched):
                    self._report.counts["answers_of_gone_events"] += 1
                    continue
                strange += 1
                self._report_strange(answer, others, somebody, matched=matched)
            for other in () if strange else others:
                if other.required:
                    self._lost(other)

    def _report_strange(
        self, answer: int, others: list[_Other], somebody: Callable[[int], bool], *, matched: bool
    ) -> None:
        outcome, number = self._outcomes[answer], self._numbers[answer]
        reply, place = self._replies[answer], self._places[answer]
        if not others and not matched:
            rid = _rid(outcome, number)
            detail = "answers no event of the log"
            self._report.breach(Kind.UNEXPECTED, ACKS, reply, place, rid=rid, detail=detail)
            return
        kind, rid, detail = Kind.CHANGED, 0, f"answered {OUTCOMES[outcome]}"
        if _rid(outcome, number):
            detail += f" with rid {number}"
        if others:
            other = others[0]
            detail += f" for {LOG}[{other.partition}]@{other.offset}, which is "
            detail += OUTCOMES[other.outcome]
            rid = _rid(other.outcome, other.number)
            taken = outcome < CONTROL and number != rid and somebody(number)
            kind = Kind.COLLIDING if taken else Kind.CHANGED
        if matched:
            kind, detail = Kind.UNEQUAL_REPEAT, detail + ", and otherwise elsewhere"
        self._report.breach(kind, ACKS, reply, place, rid=rid, detail=detail)

    def _may_be_gone(self, answer: int) -> bool:
        """Whether the event of an answer may have been deleted, with the log's beginning."""
        outcome, number = self._outcomes[answer], self._numbers[answer]
        reply, place = self._replies[answer], self._places[answer]
        begun = [p for (name, p), at in self._topics.begins.items() if name == LOG and at > 0]
        if _rid(outcome, number):
            begun = [p for p in begun if p == number % 1024]
        kinds = (False, True) if outcome == FAILED else (outcome >= CONTROL,)
        queues = [(p, reply, control) for p in begun for control in kinds]
        # One record may hold the answers of events on both sides of the log's beginning.
        return any(place <= self._met.get(queue, place) for queue in queues)


def _rid(outcome: int, number: int) -> int:
    return number if outcome < CONTROL else 0
