"""Partitions that are compared at a time, in processes of their own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from streams.verify.reading import ACKS, LOG, SENDS, CannotRead
from streams.verify.records import nothing_registered
from streams.verify.recount import compare
from streams.verify.side_by_side import SideBySide
from tests.support.contents import RECORDS, World, edit
from tests.support.events import defined, invoked, queried, triggered
from tests.support.folding import PARTITIONS

if TYPE_CHECKING:
    from streams.verify.records import Registered
    from streams.verify.report import Report
    from tests.support.contents import Contents

# Confluent's framing with an id that somebody has to be asked about.
OF_A_REGISTRY = b"\x00\x00\x00\x00\x07"


def contents() -> Contents:
    """People in every partition; of their answers and sends one each is lost or changed."""
    made = World().log(defined()).work()
    emails = [f"person{number}@example.com" for number in range(40)]
    made.log(*(triggered(email=email, request_id=f"call {email}") for email in emails)).work()
    made.log(invoked(request_id="now"), queried(mid=1), (b"nobody", b"hello")).work()
    made.log(triggered(email="late@example.com", request_id="late")).work()
    for partition in range(PARTITIONS):
        del made.contents.records[SENDS, partition][0]
        edit(made.contents, SENDS, partition, 0, lambda send: send.update(city="Elsewhere"))
    del made.contents.records[ACKS, 0][3]
    return made.contents.seal()


def beside(made: Contents, registered: Registered = nothing_registered) -> Report:
    topics: Any = made
    with SideBySide(topics, registered, 2) as processes:
        return compare(topics, RECORDS, checked=processes.checked)


def test_processes_find_what_one_finds_and_count_the_same() -> None:
    made = contents()
    one, several = made.recount(), beside(made)
    assert one.found["lost"] > PARTITIONS
    assert one.found["changed"] == PARTITIONS
    assert several.found == one.found
    assert several.counts == one.counts
    assert set(several.breaches) == set(one.breaches)
    assert [each.partition for each in several.breaches if each.topic == SENDS] == [
        each.partition for each in one.breaches if each.topic == SENDS
    ]


def ask_in_vain(_: int) -> str | None:
    raise CannotRead("the registry is not there")


def end(_: int) -> str | None:
    os._exit(1)


@pytest.mark.parametrize(
    ("registered", "said"),
    [(ask_in_vain, "the registry is not there"), (end, "ended from outside")],
)
def test_a_process_that_cannot_read_or_is_killed_is_no_report(
    registered: Registered, said: str
) -> None:
    made = contents()
    made.add(LOG, 1, b"key", OF_A_REGISTRY + b"value")
    made.seal()
    with pytest.raises(CannotRead, match=said):
        beside(made, registered)
