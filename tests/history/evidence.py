"""Did anything happen that could have gone wrong? A run without it proves nothing: it is void.

Everything here is observed: in the topics read with aborted transactions and without, in the
offsets the group committed, and in what the workers said.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.history import evidence_events

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.history.meaning import Meaning
    from tests.history.observer import Commit
    from tests.history.record import Call
    from tests.history.topics import Topics

Owner = Callable[[int, int], str]
"""From (partition, offset) to the worker that committed the event there."""

# Each of these has to be there at least once.
NEEDED = (
    "answers repeated by a replay",
    "records of aborted transactions",
    "zombies fenced",
    "duplicates across workers",
    "takeovers broken off by a rebalance",
    "kills between produce and commit",
    "kills between answer and transaction",
    "kills during an invocation",
    "kills during a restore",
    "suppressed messages",
    *evidence_events.NEEDED,
)
_GIVEN_UP = re.compile(r"partitions \[([\d, ]*)\] (given up|lost)")
_TAKEN_OVER = re.compile(r"partition (\d+) taken over")
_REACHED = re.compile(r"reached ([a-z-]+): (kill|freeze)")
_KILLS = {
    "before-commit": "kills between produce and commit",
    "after-commit": "kills after a commit",
    "after-reply": "kills between answer and transaction",
    "in-drain": "kills during an invocation",
    "between-slices": "kills between two slices of an invocation",
    "in-restore": "kills during a restore",
}


def gather(
    topics: Topics, meaning: Meaning, calls: Mapping[int, Call], commits: list[Commit]
) -> dict[str, int]:
    """Return how often each thing happened."""
    found: Counter[str] = Counter(dict.fromkeys(NEEDED, 0))
    for process in topics.cluster.processes.started:
        _read_output(process.output(), found)
    for name in ("mailing.state", "mailing.sends"):
        everything = topics.read(name, committed=False)
        found["records of aborted transactions"] += len(everything) - len(topics.read(name))
    late = {
        number
        for number, call in calls.items()
        if any(attempt.type == "info" for attempt in call.attempts)
    }
    owner = _owners(commits)
    _read_answers(topics, late, owner, found)
    found.update(evidence_events.gather(meaning, topics, calls.values(), owner))
    return dict(found)


def missing(found: Mapping[str, int], needed: Iterable[str] = NEEDED) -> list[str]:
    """Return what did not happen although it has to."""
    return [name for name in needed if not found.get(name)]


def _read_output(output: str, found: Counter[str]) -> None:
    orders = _REACHED.findall(output)
    for point, how in orders:
        if how == "kill":
            found[_KILLS[point]] += 1
        elif point == "before-commit" and "transaction not committed" in output:
            found["zombies fenced"] += 1
    owned: set[str] = set()
    for line in output.splitlines():
        if given_up := _GIVEN_UP.search(line):
            partitions = set(given_up[1].split(", "))
            found["takeovers broken off by a rebalance"] += len(partitions - owned)
            owned -= partitions
        elif taken := _TAKEN_OVER.search(line):
            found["takeovers"] += 1
            owned.add(taken[1])
        found["dead owners fenced"] += "fencing its last owner" in line
        found["transactions refused or given up"] += "transaction not committed" in line


def _read_answers(topics: Topics, late: set[int], owner: Owner, found: Counter[str]) -> None:
    outcomes = {told.asked: told.outcome for told in topics.told}
    found["suppressed messages"] += list(outcomes.values()).count("SUPPRESSED")
    produced = Counter(event.asked for event in topics.events)
    for asked, times in Counter(told.asked for told in topics.told).items():
        found["answers repeated by a replay"] += max(times - produced[asked], 0)
    before: dict[Any, int] = {}
    for event in topics.events:
        whom = (event.org, event.mid, event.rid or event.email.lower())
        if outcomes.get(event.asked) == "DUPLICATE" and whom in before:
            there = owner(event.partition, before[whom]), owner(event.partition, event.offset)
            found["duplicates"] += 1
            found["duplicates across workers"] += there[0] != there[1]
        before[whom] = event.offset
        found["answers to callers that had given up"] += (
            event.call in late and event.asked in outcomes
        )


def _owners(commits: list[Commit]) -> Owner:
    """Return a function from (partition, offset) to the worker that committed the event."""
    ends: dict[int, list[int]] = defaultdict(list)
    names: dict[int, list[str]] = defaultdict(list)
    for commit in commits:
        if not ends[commit.partition] or commit.offset > ends[commit.partition][-1]:
            ends[commit.partition].append(commit.offset)
            names[commit.partition].append(commit.owner)

    def owner(partition: int, offset: int) -> str:
        at = bisect_right(ends[partition], offset)
        return names[partition][at] if at < len(names[partition]) else ""

    return owner
