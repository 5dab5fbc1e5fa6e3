"""Where retention has taken the log's first events: what the model has to know before the rest.

Recipients of deleted events are taken from the changelog, once their rids fit; of those who are
changed in what is left, nothing but the rid. Mailings change too: where each was is found by trying
from where it ends where the changelog says. What waited in it is not known, so it stays vague until
it was cut twice (the first cut may be a timer's that came too late): until then a message of a
known recipient may be a duplicate.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from streams.verify.erased import ErasedBefore
from streams.verify.identities import home_of, same_person
from streams.verify.model import DEFINITION, FOR_EVER, Call, Mailing, Model
from streams.verify.reading import STATE
from streams.verify.report import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.verify.changelog import Table
    from streams.verify.model import MailingId
    from streams.verify.reading import Raw
    from streams.verify.records import Record, Records
    from streams.verify.report import Report

_VAGUE_CUTS = 2
# How far the first timer's number may be beside the mailing's: late ones expect one gone by.
_LATE_TIMERS = 4

_ABOUT_MAILINGS = frozenset({"MailingDefined", "MailingInvoked", "MailingSwitched"})
# The likely first: where a mailing may have been before the log's first event about it.
_STATES = ("ACTIVE", "SUSPENDED", "CREATED", "CANCELLED", "FINISHED")
# Where it has to end.
_ENDS = ("invocation", "revision", "state")

_Event = tuple["Raw", str, "Record"]


class Beginning:
    """Gives *model* what happened before the log's first offset *begin*, as far as it shows.

    `unclear` are the mailings of which nothing can be said.
    """

    def __init__(
        self, model: Model, table: Table, records: Records, report: Report, begin: int
    ) -> None:
        self._model, self._table, self._records = model, table, records
        self._report, self._begin = report, begin
        self.unclear: list[MailingId] = []
        # The log keys of changes.
        self._changed: set[bytes | None] = set()
        self._erased = ErasedBefore(table, begin)

    def give(self, log: Iterable[Raw]) -> None:
        """Give recipients and mailings; *log* is what is left of it."""
        self._give_calls()
        events = self._control(log)
        self._erased.give(self._model)
        self._changed |= self._erased.asked
        for key, person in self._table.people():
            rid = person["rid"]
            if rid // 1024 - 1 < self._begin:
                self._check_rid(key, person)
                if self._erased.came_back(key, person, self._model):
                    continue
                self._model.people[key] = self._model.of_state(person)
                self._model.keys[rid] = key
                if not self._changed.isdisjoint((key, b"%b:#%d" % (key.partition(b":")[0], rid))):
                    self._model.unclear.add(key)
        for ident, record in self._table.mailings.items():
            mailing = self._before(ident, record, events[ident])
            if mailing is not None:
                self._model.mailings[ident] = mailing

    def _give_calls(self) -> None:
        """Give calls with idempotency keys that began before, as far as they are still known."""
        calls = sorted(self._table.calls.items(), key=lambda item: int(item[1]["call"]))
        for key, record in calls:
            if record["call"] // 1024 - 1 < self._begin:
                self._model.calls[key] = Call(**record)
        for offset, batch in self._table.once.items():
            for entry in batch["entries"] if offset < self._begin else ():
                name = entry["call"], entry["index"]
                self._model.once[name] = entry["rid"], entry["outcome"]
                self._model.begun[name] = batch["begun_at"]

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

    def _control(self, log: Iterable[Raw]) -> dict[MailingId, list[_Event]]:
        """Return the events that are about mailings as such, and that the changelog knows."""
        found: dict[MailingId, list[_Event]] = defaultdict(list)
        for raw in log:
            self._model.begin_ms = self._model.begin_ms or raw.time_ms
            name = self._records.name_of(raw.value)
            self._erased.meet(raw, name)
            if name == "RecipientChanged":
                self._changed.add(raw.key)
            if raw.offset <= self._table.applied and name in _ABOUT_MAILINGS:
                try:
                    event = self._records.read(raw.value)[1]
                except ValueError:
                    continue
                found[event["orgid"], event["mid"]].append((raw, name, event))
        return found

    def _before(self, ident: MailingId, record: Record, events: list[_Event]) -> Mailing | None:
        """Return a mailing as it was; None when it was not there yet."""
        defines = [event for _, name, event in events if name == "MailingDefined"]
        definition = {name: record[name] for name in DEFINITION}
        same_type = all(event["type"] == record["type"] for event in defines)
        for state in _STATES:
            revision = self._revision_before(ident, record, events, definition, state)
            if revision == 0:
                return None
            for invocation in _first_numbers(events, record["invocation"]) if same_type else ():
                tried = Mailing(definition, revision, invocation, state=state)
                self._try(ident, tried, events)
                if all(getattr(tried, name) == record[name] for name in _ENDS):
                    return Mailing(
                        definition,
                        revision,
                        invocation,
                        vague=_VAGUE_CUTS,
                        guessed=bool(defines),
                        counted=False,
                        state=state,
                    )
        self.unclear.append(ident)
        return Mailing(
            definition,
            self._revision_before(ident, record, events, definition, record["state"]),
            record["invocation"],
            vague=FOR_EVER,
            guessed=True,
            counted=False,
            state=record["state"],
        )

    def _revision_before(
        self,
        ident: MailingId,
        record: Record,
        events: list[_Event],
        definition: Record,
        state: str,
    ) -> int:
        asked = [event for _, _, event in events if event["origin"] != "TIMER"]
        if not asked:
            return int(record["revision"])
        if asked[0]["origin"] == "COPY":
            return int(asked[0]["revision"]) - 1
        new = self._try(ident, None, events)
        if new is not None and new.revision == record["revision"]:
            return 0
        known = self._try(ident, Mailing(definition, state=state), events)
        return int(record["revision"]) - (known.revision if known else 0)

    def _try(
        self, ident: MailingId, mailing: Mailing | None, events: list[_Event]
    ) -> Mailing | None:
        """Return what becomes of *mailing*; None: that was not there, or is not now."""
        model = Model(self._model.partition, self._model.partitions, self._records)
        if mailing is not None:
            model.mailings[ident] = mailing
        for raw, _, _ in events:
            model.meet(raw.offset, raw.key, raw.value, raw.time_ms)
        return model.mailings.get(ident)


def _first_numbers(events: list[_Event], last: int) -> Iterable[int]:
    """Return the invocation numbers that a mailing may have begun with, the likely first."""
    requests = 0
    for _, name, event in events:
        if name == "MailingInvoked" and event["origin"] == "TIMER":
            first = event["invocation"] - 1 - requests
            return range(max(first - _LATE_TIMERS, 0), first + _LATE_TIMERS)
        requests += name == "MailingInvoked"
    # A copy may have been met before.
    return range(max(last - requests, 0), last + 1)
