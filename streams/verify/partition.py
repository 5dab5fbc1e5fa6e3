"""One partition: the model over its log, beside everything that the worker made of it."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from streams.verify.beginning import Beginning
from streams.verify.changelog import Table
from streams.verify.consequences import Copy, Dead, Send
from streams.verify.letters import Letters
from streams.verify.model import Model
from streams.verify.reading import DEAD_LETTERS, LOG, SENDS, STATE
from streams.verify.report import Kind
from streams.verify.sends import Sends
from streams.verify.state import StateCheck
from streams.verify.wanted import Asks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streams.verify.reading import Raw, Topics
    from streams.verify.records import Records
    from streams.verify.report import Report
    from streams.verify.wanted import Wanted


class Checked(NamedTuple):
    """A partition that was compared: copies that it makes and met, rids that it gave, in order."""

    partition: int
    copies: set[Copy]
    rids: array[int]


@dataclass(slots=True)
class Partition:
    """The check of *partition*.

    *hand_on* takes what its events have to be answered, *read_to* hears how much was read.
    """

    partition: int
    topics: Topics
    records: Records
    hand_on: Callable[[Wanted], None]
    report: Report
    read_to: Callable[[int], None]

    def run(self) -> Checked | None:
        """Compare everything; None when log and changelog do not belong together."""
        model = Model(self.partition, self.topics.partitions[LOG], self.records)
        table = Table(self.partition, self.records, self.report)
        table.take(self._read(STATE), model)
        if not self._belongs(table):
            return None
        begin = self.topics.begins[LOG, self.partition]
        beginning = Beginning(model, table, self.records, self.report, begin)
        if begin:
            beginning.read(self._read(LOG))
            beginning.give_people()
        sends = Sends(self.topics, self.records, self.report, model)
        for raw in self._read(SENDS):
            sends.take(raw)
        if begin:
            beginning.give_mailings(sends.seen)
            self._say_limits(begin, beginning)
        letters = Letters(self.topics, self.records, self.report, self.partition)
        for raw in self._read(DEAD_LETTERS):
            letters.take(raw)
        state = StateCheck(model, table, self.report)
        asks = Asks(self.partition, self.hand_on)
        copies: set[Copy] = set()
        done = False
        for raw in self._read(LOG):
            offset = raw.offset
            required = offset <= table.applied
            if not required and not done:
                state.run()
                done = True
            self.report.counts["events" if required else "events_not_yet"] += 1
            kept = table.aside.pop(offset, None)
            aside = letters.aside(offset, kept)
            outs = model.meet(offset, raw.key, raw.value, raw.time_ms, aside=aside)
            doubtful = offset in beginning.doubtful
            if doubtful:
                asks.expect_perhaps(offset, self.records.read(raw.value)[1])
            for out in outs:
                if isinstance(out, Send):
                    sends.expect(out, table.waiting.get(out.offset), required=required)
                elif isinstance(out, Copy):
                    if not out.made or (required and not doubtful):
                        copies.add(out)
                elif not doubtful:
                    if isinstance(out, Dead):
                        letters.expect(raw, kept, required=required)
                    asks.expect(offset, out, required=required)
        if not done:
            state.run()
        for message in model.perhaps_sent():
            sends.expect(message, None, required=False)
        sends.finish()
        letters.finish()
        if model.doubts:
            self.report.counts["recipients_unsure"] += model.doubts
        self._compare_letters(table)
        return Checked(self.partition, copies, array("q", sorted(model.keys)))

    def _compare_letters(self, table: Table) -> None:
        for offset in table.aside:
            if offset >= self.topics.begins[LOG, self.partition]:
                detail = f"offset {offset} is said to be a dead letter, and is an event"
                self.report.breach(Kind.UNEXPECTED, STATE, self.partition, -1, detail=detail)

    def _say_limits(self, begin: int, beginning: Beginning) -> None:
        limits = self.report.limits
        limits.append(
            f"the log of partition {self.partition} begins at offset {begin}: what came before is "
            "taken from the changelog, and the first messages of each mailing may be duplicates"
        )
        if beginning.doubtful:
            limits.append(
                f"{len(beginning.doubtful)} control events of partition {self.partition} may be "
                "repeats of deleted ones: whether and how they were to be answered is not known"
            )
        was_open = (
            "may have been in another state, or of another type, at first: until that shows, an "
            "answer only has to be one that its recipient could get"
        )
        unclear = "have no beginning that leads to their changelog: nothing is said of them"
        for mailings, what in ((beginning.open, was_open), (beginning.unclear, unclear)):
            if mailings:
                named = ", ".join(f"{mid} of organisation {org}" for org, mid in mailings[:10])
                limits.append(
                    f"{len(mailings)} mailings of partition {self.partition} {what} ({named})"
                )

    def _belongs(self, table: Table) -> bool:
        """Whether log and changelog belong together; nothing can be compared otherwise."""
        detail = ""
        if table.seq and table.topic_id != self.topics.log_id:
            detail = "the changelog is of another log: the topic was deleted and made again"
        elif table.seq and table.partitions != self.topics.partitions[LOG]:
            detail = f"the changelog is of a log of {table.partitions} partitions"
        elif table.applied + 1 < self.topics.begins[LOG, self.partition]:
            detail = f"events from offset {table.applied + 1} on were deleted before they were read"
        elif table.applied >= self.topics.ends[LOG, self.partition]:
            detail = f"offset {table.applied} was applied, and the log has lost it"
        if detail:
            self.report.breach(Kind.CHANGED, STATE, self.partition, -1, detail=detail)
        return not detail

    def _read(self, name: str) -> Iterator[Raw]:
        return self.topics.read(name, self.partition, self.read_to)
