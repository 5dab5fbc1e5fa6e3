"""What a mailing may have been where the log that is left begins: every reading that fits.

Control events may lie in the log twice, once on each side of its beginning, and then the second is
to be ignored; a timer's may come too late; a mailing may have been in any state, or not there. So
several beginnings can lead to the mailing that the changelog has at the end. What was sent, and
what still waits, says under which invocation an event was met, and that the mailing took messages:
that rules most of them out. Where more than one is left, nothing is said of what differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from streams.verify.mailing import STEPS, TAKING, may_be

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence, Set

# What is repeated was written by one transaction, and no mailing has more events in one.
_MOST_REPEATED = 64
_UNKNOWN = object()
_LIKELY_FIRST = ("ACTIVE", "SUSPENDED", *(state for state in STEPS if state not in TAKING))


class By(Enum):
    """Who speaks of the mailing."""

    REQUEST = auto()
    COPY = auto()
    TIMER = auto()
    # A message, by the invocation under which it was sent or waits.
    MESSAGE = auto()


class Does(Enum):
    """What an event does to the mailing."""

    DEFINE = auto()
    SWITCH = auto()
    INVOKE = auto()
    NOTHING = auto()


class Step(NamedTuple):
    """An event about a mailing; *number* is a copy's revision, else an invocation.

    *state* is the one that is wanted. Of a definition: *takes*, that its type is one that takes
    triggers, and what tells it from others.
    """

    offset: int
    by: By
    does: Does = Does.NOTHING
    number: int = 0
    state: str | None = None
    takes: bool = True
    definition: Hashable = None


class Where(NamedTuple):
    """How far a mailing is; *takes* when its type is one that takes triggers."""

    revision: int
    invocation: int
    state: str = "ACTIVE"
    takes: bool = True


@dataclass(frozen=True, slots=True)
class Edge:
    """How a mailing began, as the likeliest reading has it: not there when *begin* is None.

    Readings answer the events at the offsets *doubtful* differently, differ at all up to *until*,
    and up to *open* in whether the mailing takes triggers. Up to *guessed* its definition is not
    known. Each is -1 when it is nowhere so.
    """

    begin: Where | None
    doubtful: frozenset[int] = frozenset()
    until: int = -1
    open: int = -1
    guessed: int = -1


def edge(steps: Sequence[Step], last: Where, definition: Hashable = None) -> Edge | None:
    """Return how a mailing began, to be *last* after *steps*; None: no beginning leads there.

    *definition* is the one it has at the end.
    """
    found = _begins(steps, last, {definition})
    if not found:
        # A message is not where it belongs, which is for others to say, or a definition.
        steps = [step for step in steps if step.by is not By.MESSAGE]
        said = {definition, *(step.definition for step in steps)}
        found = _begins(steps, last, {definition}) or _begins(steps, last, said)
    return _compared(steps, found, definition) if found else None


def after(step: Step, at: Where | None) -> tuple[Where | None, str]:
    """Return where a mailing is after an event, and what its answer would be; empty: none."""
    if step.by is By.MESSAGE:
        return at, ""
    if step.by is By.TIMER:
        if at is not None and _invokes(at) and step.number == at.invocation + 1:
            return at._replace(invocation=step.number), ""
        return at, ""
    known = 0 if at is None else at.revision
    revision = known + 1 if step.by is By.REQUEST else step.number
    if revision <= known:
        return at, ""
    if at is None:
        if step.does is not Does.DEFINE:
            return None, "UNKNOWN_MAILING"
        return Where(revision, 0, step.state or "ACTIVE", step.takes), "DONE"
    if step.does is Does.INVOKE:
        if not at.takes:
            return at, "NOT_TRIGGERED"
        if not _invokes(at):
            return at, "WRONG_STATE"
        return at._replace(revision=revision, invocation=at.invocation + 1), "DONE"
    if not may_be(at.state, step.state):
        return at, "WRONG_STATE"
    takes = step.takes if step.does is Does.DEFINE else at.takes
    return Where(revision, at.invocation, step.state or at.state, takes), "DONE"


def _invokes(at: Where) -> bool:
    return at.takes and at.state == "ACTIVE"


def _begins(steps: Sequence[Step], last: Where, said: Set[Hashable]) -> list[Where | None]:
    """Return the beginnings that lead to *last* and one of these definitions, the likely first.

    Of those that differ in their invocation alone only the least and the greatest: whoever begins
    with a greater number is never behind, so where these two agree all do.
    """
    control = [step for step in steps if step.by in {By.REQUEST, By.COPY}]
    found: list[Where | None] = []
    for start in _starts(control, last):
        path = _path(control, start, last, said)
        span = _span(steps, path, last.invocation) if path else None
        if span is not None and start is None:
            found.append(None)
        elif span is not None and start is not None:
            found += [start._replace(invocation=each) for each in dict.fromkeys(span)]
    return found


def _starts(control: Sequence[Step], last: Where) -> Iterator[Where | None]:
    """Yield the beginnings to try; how often the mailing was invoked comes later."""
    defines = any(step.does is Does.DEFINE for step in control)
    if defines:
        yield None
    copies = sorted({step.number for step in control if step.by is By.COPY})
    kinds = [last.takes, not last.takes] if defines else [last.takes]
    places = [Where(0, 0, state, takes) for takes in kinds for state in _LIKELY_FIRST]
    if copies:
        # One for each number of copies that may be repeats.
        tried = dict.fromkeys((copies[0] - 1, *copies[:_MOST_REPEATED], last.revision))
        for revision in tried:
            if 1 <= revision <= last.revision:
                yield from (at._replace(revision=revision) for at in places)
        return
    for at in places:
        # At home each request that was not refused counts.
        end: Where | None = at
        for step in control:
            end, _ = after(step, end)
        revision = last.revision - (end.revision if end is not None else 0)
        if revision >= 1:
            yield at._replace(revision=revision)


def _path(
    control: Sequence[Step], start: Where | None, last: Where, said: Set[Hashable]
) -> list[Where | None]:
    """Return where the mailing is before each step and after the last, but for its invocation.

    Empty when that is not possible, or does not end there.
    """
    path, at = [start], start
    known = next(iter(said))
    for step in control:
        before = at
        at, came = after(step, before)
        # What is new in a copy, home has just allowed; and its numbers begin with 1.
        new = step.by is By.COPY and came
        if new and (came != "DONE" or (before is None and step.number != 1)):
            return []
        if came == "DONE" and step.does is Does.DEFINE:
            known = step.definition
        if at is not None:
            at = at._replace(invocation=0)
        path.append(at)
    return path if at == last._replace(invocation=0) and known in said else []


def _span(steps: Sequence[Step], path: list[Where | None], last: int) -> tuple[int, int] | None:
    """Return the least and the greatest first invocation number on *path*; None: there is none.

    From the end: of what leads to a range of numbers, each step makes a range again.
    """
    least = greatest = last
    place = len(path) - 1
    for step in reversed(steps):
        at = path[place]
        if step.by is By.MESSAGE:
            if at is None or not at.takes or at.state not in TAKING:
                return None
            least, greatest = max(least, step.number - 1), min(greatest, step.number - 1)
        elif step.by is By.TIMER:
            if at is not None and _invokes(at):
                greatest -= greatest == step.number - 1
                least -= least == step.number
        else:
            place -= 1
            before = path[place]
            if before is None and at is not None:
                # Defined here, so invoked never before.
                if least > 0:
                    return None
                greatest = 0
            elif step.does is Does.INVOKE and before != at:
                least, greatest = least - 1, greatest - 1
        least = max(least, 0)
        if least > greatest:
            return None
    return least, greatest


def _compared(steps: Sequence[Step], begins: list[Where | None], definition: Hashable) -> Edge:
    """Return what all readings have in common."""
    doubtful: set[int] = set()
    until = is_open = guessed = -1
    # Each with the definition that it has: the last one, unless another comes before that.
    readings = {
        (begin, _UNKNOWN if begin is None or _is_defined(steps, begin) else definition)
        for begin in begins
    }
    for step in steps:
        if len(readings) == 1 and _UNKNOWN not in next(iter(readings)):
            break
        if len({at for at, _ in readings}) > 1:
            until = step.offset
        if len({_taking(at) for at, _ in readings}) > 1:
            is_open = step.offset
        known_as = {known for _, known in readings}
        if len(known_as) > 1 or _UNKNOWN in known_as:
            guessed = step.offset
        stepped = [(*after(step, at), known) for at, known in readings]
        if len({(came, now.revision if came and now else 0) for now, came, _ in stepped}) > 1:
            doubtful.add(step.offset)
        defines = step.does is Does.DEFINE
        readings = {
            (now, step.definition if came == "DONE" and defines else known)
            for now, came, known in stepped
        }
    there = [begin for begin in begins if begin is not None]
    return Edge(there[0] if there else None, frozenset(doubtful), until, is_open, guessed)


def _is_defined(steps: Sequence[Step], begin: Where) -> bool:
    """Whether a mailing that begins so takes one of the definitions."""
    at: Where | None = begin
    for step in steps:
        if step.does is not Does.NOTHING and step.by is not By.TIMER:
            at, came = after(step, at)
            if came == "DONE" and step.does is Does.DEFINE:
                return True
    return False


def _taking(at: Where | None) -> tuple[str, bool]:
    """Return what decides whether a trigger is taken, and how it is refused."""
    if at is None:
        return "", False
    return ("TAKING" if at.state in TAKING else "CLOSED"), at.takes
