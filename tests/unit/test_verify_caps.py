"""The recount of mailings with a cap: what was taken, what was suppressed, and what counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.verify.reading import ACKS, LOG, STATE
from tests.support.contents import RECORDS, World
from tests.support.events import CODEC, START_MS, defined, invoked, triggered
from tests.support.folding import HOME, at_home

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.contents import Contents

(ANNA,) = at_home("anna@example.org")
MINUTE_MS = 60_000


def world(*, cap: int = 2, until: int = 12) -> World:
    """A message asked for every ten minutes, and an invocation after every other."""
    made = World()
    events = [defined(hourly_cap=cap, interval_s=0)]
    for number in range(1, until):
        events.append(triggered(email=ANNA, context=b"%d" % number, request_id=f"call {number}"))
        if number % 2 == 0:
            events.append(invoked(request_id=f"invocation {number}"))
    for number, (key, value) in enumerate(events):
        made.contents.add(LOG, HOME, key, value, time_ms=START_MS + 10 * MINUTE_MS * number)
    return made.work()


def lines(contents: Contents) -> list[str]:
    return [breach.line() for breach in contents.recount().breaches]


def edit(contents: Contents, key: bytes, change: Callable[[list[dict[str, int]]], None]) -> None:
    """Change the messages of the changelog's last record under *key*."""
    place = contents.records[STATE, HOME]
    at = max(n for n, raw in enumerate(place) if raw.key == key)
    _, record = RECORDS.read(place[at].value)
    change(record["messages"])
    place[at] = place[at]._replace(value=CODEC.encode("CapState", record))


def last_counting(contents: Contents) -> bytes:
    kept = [raw.key or b"" for raw in contents.records[STATE, HOME] if raw.value]
    return [key for key in kept if key.startswith(b"c:")][-1]


@pytest.mark.parametrize("cap", [0, 1, 2])
def test_what_the_fold_wrote_has_no_breach(cap: int) -> None:
    contents = world(cap=cap).contents
    assert lines(contents) == []
    told = [RECORDS.read(raw.value)[1] for raw in contents.records[ACKS, 0]]
    entries = [
        e["outcome"] for record in told for c in record.get("calls", ()) for e in c["entries"]
    ]
    assert ("SUPPRESSED" in entries) == bool(cap)


def test_a_message_beyond_the_cap_is_found() -> None:
    broken = world(cap=3).contents
    place = broken.records[LOG, HOME]
    # What a fold would have done that took the cap for another.
    place[0] = place[0]._replace(value=defined(hourly_cap=2, interval_s=0)[1])
    told = lines(broken)
    assert any("answered KNOWN" in line and "SUPPRESSED" in line for line in told)
    assert any("counts towards" in line for line in told)


def test_a_message_that_no_longer_counts_is_found() -> None:
    contents = world(cap=2).contents
    edit(contents, last_counting(contents), lambda messages: messages.clear())
    told = lines(contents)
    assert all("does not count towards" in line for line in told)
    assert told


def test_a_message_that_counts_and_was_not_taken_is_found() -> None:
    contents = world(cap=2).contents
    edit(contents, last_counting(contents), lambda messages: messages.append(dict(messages[0])))
    assert [line.split()[0] for line in lines(contents)] == ["counter-mismatch"]


@pytest.mark.parametrize("begin", range(1, 14))
def test_where_the_logs_beginning_is_gone_nothing_is_called_a_breach(begin: int) -> None:
    contents = world(cap=1, until=14).contents
    contents.begins[LOG, HOME] = begin
    assert lines(contents) == []
