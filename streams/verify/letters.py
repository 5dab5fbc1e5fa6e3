"""The dead letters of one partition, beside the records of its log that are no events."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from streams.verify.model import digest
from streams.verify.reading import DEAD_LETTERS, LOG
from streams.verify.report import Kind

if TYPE_CHECKING:
    from streams.verify.reading import Raw, Topics
    from streams.verify.records import Record, Records
    from streams.verify.report import Report

# The log does not show these: the worker laid the event aside, because it failed on it or because
# the broker refused what follows from it.
ASIDE = frozenset(
    {
        "FOLD_RAISED",
        "TOO_LARGE_TO_PRODUCE",
        "REFUSED_BY_BROKER",
        "REFUSED_BY_CLIENT",
        "UNKNOWN_SCHEMA_ID",
    }
)


class _Letter(NamedTuple):
    record: bytes
    place: int
    reason: str


class Letters:
    """What was laid aside: `take` it all, `expect` each dead record, then `finish`."""

    def __init__(self, topics: Topics, records: Records, report: Report, partition: int) -> None:
        self._records, self._report, self._partition = records, report, partition
        self._log = topics.prefix + LOG
        self._log_begin = topics.begins[LOG, partition]
        self._some_gone = topics.begins[DEAD_LETTERS, partition] > 0
        self._found: dict[int, _Letter] = {}

    def take(self, raw: Raw) -> None:
        """Take a record of the topic."""
        try:
            name, letter = self._records.read(raw.value)
        except ValueError:
            name, letter = "", {}
        if name == "DeadLetterSettled":
            self._settle(raw, letter)
            return
        self._report.counts["dead_letters"] += 1
        if name != "DeadLetter":
            self._breach(Kind.UNEXPECTED, raw.offset, "no dead letter of ours")
            return
        for field in ("topic", "partition", "offset", "reason"):
            if raw.headers.get(field) != str(letter[field]).encode():
                self._breach(Kind.CHANGED, raw.offset, f"header and value differ in their {field}")
        if (letter["topic"], letter["partition"]) != (self._log, self._partition):
            self._breach(Kind.UNEXPECTED, raw.offset, "a dead letter of another log")
            return
        if letter["offset"] < self._log_begin:
            self._report.counts["dead_letters_of_gone_events"] += 1
            return
        new = _Letter(_digest(letter["key"], letter["value"]), raw.offset, letter["reason"])
        known = self._found.setdefault(letter["offset"], new)
        if known is not new:
            equal = (known.record, known.reason) == (new.record, new.reason)
            kind = Kind.DOUBLED if equal else Kind.UNEQUAL_REPEAT
            self._breach(kind, raw.offset, f"a dead letter before, at offset {known.place}")

    def _settle(self, raw: Raw, note: Record) -> None:
        """Take the note of what became of a dead letter, which stands behind it."""
        self._report.counts["dead_letters_settled"] += 1
        ours = (note["topic"], note["partition"]) == (self._log, self._partition)
        gone = self._some_gone or note["offset"] < self._log_begin
        if not ours or (note["offset"] not in self._found and not gone):
            self._breach(Kind.UNEXPECTED, raw.offset, "it settles a dead letter that is not there")

    def aside(self, offset: int, kept: str | None) -> bool:
        """Whether the event at *offset* was laid aside; *kept* is the changelog's reason."""
        letter = self._found.get(offset)
        return (kept if letter is None else letter.reason) in ASIDE

    def expect(self, raw: Raw, kept: str | None, *, required: bool) -> None:
        """Look for the dead letter of a record; *kept* is the changelog's reason."""
        letter = self._found.pop(raw.offset, None)
        if required and kept is None:
            detail = "a dead letter, but the changelog has no reason for it"
            self._report.breach(Kind.LOST, LOG, self._partition, raw.offset, detail=detail)
        if letter is None:
            if required and self._some_gone:
                self._report.counts["dead_letters_gone"] += 1
            elif required:
                detail = "it is no event, and no dead letter says so"
                self._report.breach(Kind.LOST, LOG, self._partition, raw.offset, detail=detail)
            return
        self._some_gone = False
        if letter.record != _digest(raw.key, raw.value):
            self._breach(Kind.CHANGED, letter.place, f"it is not the record at {raw.offset}")
        if kept is not None and kept != letter.reason:
            detail = f"{letter.reason} here, {kept} in the changelog"
            self._breach(Kind.CHANGED, letter.place, detail)
        if letter.reason in ASIDE and self._is_record(raw.value):
            self._report.laid_aside.append((self._partition, raw.offset, letter.reason))

    def _is_record(self, value: bytes | None) -> bool:
        try:
            self._records.read(value)
        except ValueError:
            return False
        return True

    def finish(self) -> None:
        """Report dead letters of events that are alive."""
        for offset, letter in self._found.items():
            detail = f"{LOG}[{self._partition}]@{offset} is an event, or is not there"
            self._breach(Kind.UNEXPECTED, letter.place, detail)

    def _breach(self, kind: Kind, offset: int, detail: str) -> None:
        self._report.breach(kind, DEAD_LETTERS, self._partition, offset, detail=detail)


def _digest(key: bytes | None, value: bytes | None) -> bytes:
    return digest({"key": key, "value": value})
