"""The recount of a log with dry runs: they count nothing, and what they are told is checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from streams.verify.reading import ACKS, LOG
from tests.support.contents import RECORDS, World
from tests.support.events import CODEC, defined, tried, triggered
from tests.support.folding import HOME, at_home

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.contents import Contents

ANNA, BERTA = at_home("anna@example.org", "berta@example.org")
ENTRIES = ({"email": ANNA}, {"email": BERTA}, {"email": BERTA})


def contents() -> Contents:
    """Anna waits, and it was asked twice what she and Berta would become."""
    world = World().log(defined(), triggered(email=ANNA))
    world.log(tried(ENTRIES), tried(ENTRIES, request_id="again"), partition=HOME)
    return world.work().contents


def lines(contents: Contents) -> list[str]:
    return [breach.line() for breach in contents.recount().breaches]


def answer_in(contents: Contents) -> int:
    for at, raw in enumerate(contents.records[ACKS, 0]):
        _, record = RECORDS.read(raw.value)
        if record.get("request_id") == "try":
            return at
    raise AssertionError("no answer")


def retell(contents: Contents, change: Callable[[dict[str, Any]], None]) -> None:
    at = answer_in(contents)
    raw = contents.records[ACKS, 0][at]
    name, record = RECORDS.read(raw.value)
    change(record)
    contents.records[ACKS, 0][at] = raw._replace(value=CODEC.encode(name, record))


def drop(contents: Contents) -> None:
    del contents.records[ACKS, 0][answer_in(contents)]


def foretell_otherwise(contents: Contents) -> None:
    retell(contents, lambda told: told["entries"][2].update(outcome="KNOWN"))


def give_an_id(contents: Contents) -> None:
    retell(contents, lambda told: told["entries"][1].update(rid=4096))


def test_dry_runs_count_nothing_and_are_no_breach() -> None:
    made = contents()
    assert lines(made) == []
    answer = RECORDS.read(made.records[ACKS, 0][answer_in(made)].value)[1]
    outcomes = [entry["outcome"] for entry in answer["entries"]]
    assert outcomes == ["DUPLICATE", "CREATED", "DUPLICATE"]


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        pytest.param(drop, "never answered", id="no answer"),
        pytest.param(foretell_otherwise, "answered", id="another outcome"),
        pytest.param(give_an_id, "answered", id="an ID that there is not"),
    ],
)
def test_an_answer_that_was_tampered_with_is_named(
    tamper: Callable[[Contents], None], named: str
) -> None:
    made = contents()
    tamper(made)
    found = lines(made)
    assert [line for line in found if named in line], found


def test_what_retention_took_makes_no_answer_a_breach() -> None:
    made = contents()
    # Behind Anna's trigger: whether her message still waits is nowhere any more.
    made.begins[LOG, HOME] = made.records[LOG, HOME][2].offset
    assert lines(made) == []
