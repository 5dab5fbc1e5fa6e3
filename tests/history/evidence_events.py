"""Did the newer events happen, and in the ways that could have gone wrong?

Mailings switched at once and closed, recipients changed while messages for them wait, calls made
again under their key, drains in slices: seen in the log and in the callers' history.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tests.history.judge_sends import dues

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tests.history.meaning import Meaning
    from tests.history.record import Call
    from tests.history.topics import Topics

# Each of these has to be there at least once.
NEEDED = (
    "switches of a mailing at once",
    "steps that a state forbade",
    "triggers of a mailing that takes none",
    "messages held back and sent later",
    "messages that stay in a closed mailing",
    "messages taken back by an unsubscription",
    "recipients subscribed again",
    "SMS sent",
    "SMS taken out by an opt-out",
    "reads of a change",
    "entries made again under a key",
    "entries made again by another process",
    "entries made again after an invocation",
    "entries made again at another worker",
    "calls under another's key",
    "drains in several transactions",
    "kills between two slices of an invocation",
)


def gather(
    meaning: Meaning,
    topics: Topics,
    calls: Iterable[Call],
    owner: Callable[[int, int], str],
) -> dict[str, int]:
    """Return how often each thing happened; *owner* says who committed an event."""
    found: Counter[str] = Counter()
    calls = list(calls)
    _of_mailings(meaning, topics, calls, found)
    _of_people(meaning, calls, found)
    _of_keys(meaning, topics, calls, owner, found)
    _of_drains(topics, found)
    _of_the_library(topics, found)
    return dict(found)


def _of_mailings(meaning: Meaning, topics: Topics, calls: list[Call], found: Counter[str]) -> None:
    spans: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for call in calls:
        if call.f == "switch":
            (attempt,) = call.attempts
            spans[call.org, call.mid].append((attempt.invoked, attempt.ended or attempt.invoked))
            found["steps that a state forbade"] += attempt.shown.get("code") == "WRONG_STATE"
    for each in spans.values():
        each.sort()
        found["switches of a mailing at once"] += sum(
            begin < end for (_, end), (begin, _) in pairwise(each)
        )
    refused = [told for _, told in meaning.outcomes.values() if told == "MAILING_CLOSED"]
    found["triggers of a mailing that takes none"] += len(refused)
    found["SMS sent"] += sum(sent.channel == "SMS" for sent in topics.sends)
    for (partition, offset), due in dues(meaning, topics).items():
        if not due.sure:
            continue
        mailing = meaning.mailings[partition, due.event.org, due.event.mid]
        held = mailing.state_at(offset) == "SUSPENDED"
        found["messages held back and sent later"] += held and bool(due.channels)
        stays = due.cut is None and not due.left and mailing.state in {"CANCELLED", "FINISHED"}
        found["messages that stay in a closed mailing"] += stays
        found["messages taken back by an unsubscription"] += due.left
        opted_out = due.opted_out and due.cut is not None and "SMS" in due.cut[1].channels
        found["SMS taken out by an opt-out"] += opted_out and not due.left


def _of_people(meaning: Meaning, calls: list[Call], found: Counter[str]) -> None:
    changes = {call.number for call in calls if call.f == "change"}
    for call in calls:
        number = str(call.attempts[0].shown.get("lastName")).removeprefix("call ")
        saw = number.isdigit() and int(number) in changes
        found["reads of a change"] += call.f == "read" and saw
    for person in meaning.people.values():
        statuses = [version.status for version in person.versions]
        found["recipients unsubscribed"] += _steps(statuses, 1, 0)
        found["recipients subscribed again"] += _steps(statuses, 0, 1)


def _steps(values: list[int], before: int, after: int) -> int:
    return sum(pair == (before, after) for pair in pairwise(values))


def _of_keys(
    meaning: Meaning,
    topics: Topics,
    calls: list[Call],
    owner: Callable[[int, int], str],
    found: Counter[str],
) -> None:
    processes = {call.number: len({each.process for each in call.attempts}) for call in calls}
    found["calls under another's key"] += sum(
        attempt.results[:1] == ["KEY_REUSED"] for call in calls for attempt in call.attempts
    )
    events = {(event.partition, event.offset): event for event in topics.events if event.once}
    for place, first in meaning.again.items():
        event = events[place]
        found["entries made again under a key"] += 1
        found["entries made again by another process"] += processes.get(event.call, 0) > 1
        found["entries made again at another worker"] += owner(*first) != owner(*place)
        mailing = meaning.mailings.get((place[0], event.org, event.mid))
        cut = mailing.cut_after(first[1]) if mailing is not None else None
        found["entries made again after an invocation"] += bool(cut and cut[1].offset < place[1])


def _of_the_library(topics: Topics, found: Counter[str]) -> None:
    """Count what stands twice in the log under one request id, though it was asked for once."""
    requests = [c.record["request_id"] for c in topics.controls if c.record["origin"] == "REQUEST"]
    asked = Counter([*requests, *(change.request_id for change in topics.changes)])
    found["events doubled by the client library"] += sum(times - 1 for times in asked.values())


def _of_drains(topics: Topics, found: Counter[str]) -> None:
    """Count the invocations of a partition that several transactions sent."""
    sent: Mapping[tuple[Any, ...], set[int]] = defaultdict(set)
    for kept in topics.mailings:
        record = kept.record
        for cut in record["cuts"]:
            place = kept.partition, record["orgid"], record["mid"], cut["invocation"]
            sent[place].add(record["sent"])
    # A cut that a later transaction still has, with more of it sent.
    found["drains in several transactions"] += sum(len(counts) > 1 for counts in sent.values())
