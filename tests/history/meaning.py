"""What the log says of mailings and recipients, read apart from the product and from its model.

It knows little: which state each mailing has and what each invocation cuts, in each partition, and
what is stored of each recipient, event by event. Which message is new it does not know; that is
taken from the acknowledgements.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from heapq import merge
from typing import TYPE_CHECKING, NamedTuple

from streams.verify.identities import same_person
from tests.history.decoded import Change, Control, Event

if TYPE_CHECKING:
    from tests.history.topics import Topics

# Where a mailing may go from each state, besides staying there.
STEPS = {
    "CREATED": {"ACTIVE", "CANCELLED"},
    "ACTIVE": {"SUSPENDED", "CANCELLED", "FINISHED"},
    "SUSPENDED": {"ACTIVE", "CANCELLED", "FINISHED"},
    "CANCELLED": set[str](),
    "FINISHED": set[str](),
}
TAKEN = frozenset({"CREATED", "KNOWN"})
TAKES = frozenset({"ACTIVE", "SUSPENDED"})
same = lru_cache(100_000)(same_person)


def may_be(now: str, wanted: str) -> bool:
    """Whether a mailing may come from one state into another."""
    return wanted == now or wanted in STEPS[now]


class Step(NamedTuple):
    """From the event at *offset* on a mailing is in *state*; *wanted* is what the event asked."""

    offset: int
    revision: int
    state: str
    wanted: str


class Cut(NamedTuple):
    """An invocation in one partition, and by which channels its messages go."""

    offset: int
    channels: frozenset[str]


@dataclass(slots=True)
class Mailing:
    """A mailing as one partition has it; invocation k is the k-th of its *cuts*."""

    steps: list[Step] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    channels: frozenset[str] = frozenset()

    @property
    def state(self) -> str:
        """The state it is in at the log's end; nothing before its definition."""
        return self.steps[-1].state if self.steps else ""

    @property
    def revision(self) -> int:
        """How many requests have changed it."""
        return self.steps[-1].revision if self.steps else 0

    def state_at(self, offset: int) -> str:
        """Return its state for the event at *offset*."""
        at = bisect_right(self.steps, offset, key=lambda step: step.offset)
        return self.steps[at - 1].state if at else ""

    def cut_after(self, offset: int) -> tuple[int, Cut] | None:
        """Return the invocation that cuts the message of the event at *offset*, and its number."""
        at = bisect_right(self.cuts, offset, key=lambda cut: cut.offset)
        return (at + 1, self.cuts[at]) if at < len(self.cuts) else None


class Version(NamedTuple):
    """What is stored of a recipient from the event at *offset* on, which is of *call*."""

    offset: int
    call: int
    index: int
    status: int
    first_name: str | None
    number: str | None
    texts: bool


@dataclass(slots=True)
class Person:
    """A recipient, who keeps its partition: version by version, the first when it was created."""

    rid: int
    org: int
    versions: list[Version]

    def at(self, offset: int) -> Version:
        """Return what is stored when the event at *offset* has happened."""
        at = bisect_right(self.versions, offset, key=lambda version: version.offset)
        return self.versions[at - 1]

    def between(self, after: int, before: int) -> list[Version]:
        """Return the changes behind one event and before another."""
        return [each for each in self.versions[1:] if after < each.offset < before]


@dataclass(slots=True)
class Meaning:
    """The log's meaning.

    *outcomes* are what each event was told, by its place. Where two events of one call have one
    name, and were told different things, neither is there.
    """

    # By partition, organisation and number.
    mailings: dict[tuple[int, int, int], Mailing] = field(default_factory=dict)
    people: dict[int, Person] = field(default_factory=dict)
    # By organisation and address.
    known: dict[tuple[int, str], Person] = field(default_factory=dict)
    outcomes: dict[tuple[int, int], tuple[int, str]] = field(default_factory=dict)
    # Of calls with a key: events of entries that an earlier event had.
    again: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    # Of each mailing, the partition in which requests are judged.
    homes: dict[tuple[int, int], int] = field(default_factory=dict)
    # Changes of nobody who was known then.
    of_nobody: list[Change] = field(default_factory=list)
    _once: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, topics: Topics) -> Meaning:
        """Read it."""
        meaning = cls()
        told: dict[tuple[int, str, int], set[tuple[int, str]]] = defaultdict(set)
        for answer in topics.told:
            told[answer.asked].add((answer.rid, answer.outcome))
        # Every partition's records are in their order, and no partition decides about another's.
        for each in merge(topics.events, topics.changes, topics.controls, key=lambda it: it[:2]):
            if isinstance(each, Control):
                meaning._control(each)
            elif isinstance(each, Change):
                meaning._change(each)
            elif each.asked in told:
                meaning._trigger(each, told[each.asked])
        return meaning

    def _trigger(self, event: Event, told: set[tuple[int, str]]) -> None:
        place = event.partition, event.offset
        own = (event.offset + 1) * 1024 + event.partition
        created = (own, "CREATED") in told
        if len(told) > 1:
            # A repeat under the same request id is told under the same name, but creates nobody.
            told = {each for each in told if (each[1] == "CREATED") == created}
        if len(told) != 1:
            return
        self.outcomes[place] = rid, _ = next(iter(told))
        if event.once:
            first = self._once.setdefault((event.once, event.index), place)
            if first != place:
                self.again[place] = first
                return
        if rid == own:
            status = 1 if event.status == -1 else event.status
            stored = (event.first_name, event.number, event.texts is not False)
            first_version = Version(event.offset, event.call, event.index, status, *stored)
            person = Person(rid, event.org, [first_version])
            self.people[rid] = self.known[event.org, same(event.email)] = person

    def person(self, org: int, who: int | str) -> Person | None:
        """Return the recipient of an organisation with that rid or address."""
        person = self.people.get(who) if isinstance(who, int) else self.known.get((org, same(who)))
        return person if person is not None and person.org == org else None

    def _change(self, change: Change) -> None:
        person = self.person(change.org, change.rid or change.email)
        if person is None:
            self.of_nobody.append(change)
            return
        last = person.versions[-1]
        person.versions.append(
            Version(
                change.offset,
                change.call,
                0,
                last.status if change.status == -1 else change.status,
                last.first_name if change.first_name is None else change.first_name,
                last.number if change.number is None else change.number,
                last.texts if change.texts is None else change.texts,
            )
        )

    def _control(self, control: Control) -> None:
        record = control.record
        ident = record["orgid"], record["mid"]
        mailing = self.mailings.setdefault((control.partition, *ident), Mailing())
        if record["origin"] == "REQUEST":
            self.homes[ident] = control.partition
            revision = mailing.revision + 1
        else:
            revision = record["revision"]
        if record["origin"] == "TIMER":
            if mailing.state == "ACTIVE" and record["invocation"] == len(mailing.cuts) + 1:
                mailing.cuts.append(Cut(control.offset, mailing.channels))
        elif revision > mailing.revision:
            self._request(control, mailing, revision)

    def _request(self, control: Control, mailing: Mailing, revision: int) -> None:
        now, record = mailing.state, control.record
        if control.name == "MailingInvoked":
            allowed, wanted, state = now == "ACTIVE", "INVOKED", now
        elif control.name == "MailingSwitched":
            wanted = state = record["state"]
            allowed = bool(now) and may_be(now, wanted)
        else:
            wanted, state = "DEFINED", record["state"] or now or "ACTIVE"
            allowed = not now or (may_be(now, state) if record["state"] else bool(STEPS[now]))
        if not allowed:
            return
        mailing.steps.append(Step(control.offset, revision, state, wanted))
        if control.name == "MailingInvoked":
            mailing.cuts.append(Cut(control.offset, mailing.channels))
        elif control.name == "MailingDefined":
            mailing.channels = frozenset(record["channels"])
