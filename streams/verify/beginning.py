"""Where retention has taken the log's first events: what the model has to know before the rest.

Recipients of deleted events are taken from the changelog, once their rids fit; of those who are
changed in what is left, nothing but the rid. Mailings change too: how each began is what leads to
where the changelog has it (`edge`). What waited in it is not known, so it stays vague until it was
cut for certain: until then a message of a known recipient may be a duplicate.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from typing import TYPE_CHECKING

from streams.verify.before import Before, Offsets
from streams.verify.calls import Call
from streams.verify.consequences import Dead
from streams.verify.edge import By, Does, Step, Where, edge
from streams.verify.erased import ErasedBefore
from streams.verify.identities import home_of, same_person
from streams.verify.mailing import API_TRIGGERED, DEFINITION, FOR_EVER, Mailing
from streams.verify.model import Model, digest
from streams.verify.reading import STATE
from streams.verify.report import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streams.verify.changelog import Table
    from streams.verify.mailing import MailingId
    from streams.verify.reading import Raw
    from streams.verify.records import Record, Records
    from streams.verify.report import Report

_DOES = {
    "MailingDefined": Does.DEFINE,
    "MailingSwitched": Does.SWITCH,
    "MailingInvoked": Does.INVOKE,
}


class Beginning:
    """Gives *model* what happened before the log's first offset *begin*, as far as it shows.

    `unclear` are the mailings of which nothing can be said, `open` those that may not have taken
    triggers at first, `doubtful` the offsets of events that may be repeats of deleted ones.
    """

    def __init__(
        self, model: Model, table: Table, records: Records, report: Report, begin: int
    ) -> None:
        self._model, self._table, self._records = model, table, records
        self._report, self._begin = report, begin
        self.unclear: list[MailingId] = []
        self.open: list[MailingId] = []
        self.doubtful: set[int] = set()
        # The log keys of changes.
        self._changed: set[bytes | None] = set()
        self._erased = ErasedBefore(table, begin)
        self._steps: dict[MailingId, list[Step]] = defaultdict(list)
        self._begin_ms: int | None = None

    def read(self, log: Iterable[Raw]) -> None:
        """Take what is left of the *log*: what is about mailings as such, and who was changed."""
        model = Model(self._model.partition, self._model.partitions, self._records)
        for raw in log:
            if self._begin_ms is None:
                self._begin_ms = raw.time_ms
            name = self._records.name_of(raw.value)
            self._erased.meet(raw, name)
            if name == "RecipientChanged":
                self._changed.add(raw.key)
            applied = raw.offset <= self._table.applied and raw.offset not in self._table.aside
            if not applied or name not in _DOES:
                continue
            if any(isinstance(out, Dead) for out in model.meet(*raw[1:5])):
                continue
            event = self._records.read(raw.value)[1]
            self._steps[event["orgid"], event["mid"]].append(_step(raw.offset, name, event))

    def give_people(self) -> None:
        """Give the recipients of deleted events, and what is known of calls from then."""
        self._erased.give(self._model)
        self._changed |= self._erased.asked
        born = array("q", (record["rid"] // 1024 - 1 for record in self._table.erased.values()))
        for key, person in self._table.people():
            rid = person["rid"]
            if rid // 1024 - 1 >= self._begin:
                born.append(rid // 1024 - 1)
                continue
            self._check_rid(key, person)
            if self._erased.came_back(key, person, self._model):
                continue
            self._model.people[key] = self._model.of_state(person)
            self._model.keys[rid] = key
            if not self._changed.isdisjoint((key, b"%b:#%d" % (key.partition(b":")[0], rid))):
                self._model.unclear.add(key)
        before = Before(
            born=Offsets(array("q", sorted(born))),
            laid=frozenset(self._table.aside),
            once=self._give_calls(),
            calls={key: int(call["call"]) for key, call in self._table.calls.items()},
            begin_ms=self._begin_ms or 0,
        )
        self._model.begin_after(before)

    def _give_calls(self) -> dict[tuple[int, int], tuple[int, str]]:
        """Give calls with idempotency keys that began before, as far as they are still known.

        Return what entries were answered of which the log may have the first, or not.
        """
        calls = sorted(self._table.calls.items(), key=lambda item: int(item[1]["call"]))
        for key, record in calls:
            if record["call"] // 1024 - 1 < self._begin:
                self._model.calls.know(key, Call(**record))
        before = [offset for offset in self._table.once if offset < self._begin]
        perhaps: dict[tuple[int, int], tuple[int, str]] = {}
        for offset in before:
            batch = self._table.once[offset]
            for entry in batch["entries"]:
                name, told = (entry["call"], entry["index"]), (entry["rid"], entry["outcome"])
                if offset == max(before):
                    # One transaction, perhaps on both sides of the log's beginning.
                    perhaps[name] = told
                else:
                    self._model.remember(name, *told, batch["begun_at"])
        return perhaps

    def give_mailings(self, sent: Mapping[tuple[MailingId, int], tuple[int, int]]) -> None:
        """Give the mailings.

        *sent* has of each mailing's invocation the first and the last event that was sent under it.
        """
        seen = dict(sent)
        for offset, waiting in self._table.waiting.items():
            if offset >= self._begin:
                queue = (waiting.orgid, waiting.mid), waiting.invocation
                first, last = seen.get(queue, (offset, offset))
                seen[queue] = min(first, offset), max(last, offset)
        for (ident, invocation), offsets in seen.items():
            # One beyond is of a transaction that came after the changelog's end.
            known = {offset for offset in offsets if offset <= self._table.applied}
            steps = self._steps[ident]
            steps += [Step(offset, By.MESSAGE, number=invocation) for offset in known]
        for ident, record in self._table.mailings.items():
            self._give_mailing(ident, record, sorted(self._steps.pop(ident, ()), key=_offset))

    def _give_mailing(self, ident: MailingId, record: Record, steps: list[Step]) -> None:
        definition = {name: record[name] for name in DEFINITION}
        takes = record["type"] == API_TRIGGERED
        last = Where(record["revision"], record["invocation"], record["state"], takes)
        found = edge(steps, last, digest(definition))
        if found is None:
            self.unclear.append(ident)
            self.doubtful.update(step.offset for step in steps if step.by is not By.MESSAGE)
            self._model.mailings[ident] = Mailing(
                definition,
                last.revision,
                last.invocation,
                vague=True,
                doubted=FOR_EVER,
                open=FOR_EVER,
                guessed=FOR_EVER,
                counted=False,
                state=last.state,
            )
            return
        self.doubtful |= found.doubtful
        if found.open >= 0:
            self.open.append(ident)
        if found.begin is not None:
            if found.begin.takes != takes:
                definition["type"] = API_TRIGGERED if found.begin.takes else "another"
            self._model.mailings[ident] = Mailing(
                definition,
                found.begin.revision,
                found.begin.invocation,
                vague=True,
                doubted=found.until,
                open=found.open,
                guessed=found.guessed,
                counted=False,
                state=found.begin.state,
            )

    def _check_rid(self, key: bytes, person: Record) -> None:
        rid, partition = person["rid"], self._model.partition
        org, _, identity = key.partition(b":")
        fits = (
            rid >= 1024
            and rid % 1024 == partition
            and home_of(key, self._model.partitions) == partition
            and org.isdigit()
            and identity == same_person(person["email"]).encode()
        )
        if not fits or rid in self._model.keys or key in self._model.people:
            detail = "rid, address and partition do not fit together"
            kind = Kind.COLLIDING if fits else Kind.CHANGED
            self._report.breach(kind, STATE, partition, -1, rid=rid, detail=detail)


def _offset(step: Step) -> int:
    return step.offset


def _step(offset: int, name: str, event: Record) -> Step:
    by = By[event["origin"]]
    number = {By.COPY: event["revision"], By.TIMER: event.get("invocation", 0)}.get(by, 0)
    if name != "MailingDefined":
        return Step(offset, by, _DOES[name], number, event.get("state"))
    definition = {each: event[each] for each in DEFINITION}
    definition["channels"] = sorted(set(event["channels"]))
    takes = event["type"] == API_TRIGGERED
    return Step(offset, by, Does.DEFINE, number, event["state"], takes, digest(definition))
