"""Who waits for the next invocation, a page at a time."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.ids import rid_of
from schemas.records import MailingPhase
from tests.support.events import Event, defined, invoked, log_of, pending_asked, switched, triggered
from tests.support.folding import HOME, Partition, at_home

FIVE = at_home(*(f"{number}@b.org" for number in range(5)))
PEOPLE = [triggered(email=email) for email in FIVE]
WAIT = [(offset, rid_of(offset, HOME)) for offset in range(1, 6)]


def asked(partition: Partition, start: int = 50, **question: int) -> dict[str, Any]:
    partition.run(log_of([pending_asked(**question)], start=start))
    return partition.output.answers[-1][1]


def shown(answer: dict[str, Any]) -> list[tuple[int, int]]:
    return [(message["offset"], message["rid"]) for message in answer["messages"]]


def spread(*events: Event) -> Partition:
    """A transaction each, so that each message is a batch of its own."""
    partition = Partition()
    for record in log_of([defined(), *events]):
        partition.run([record])
    return partition


@pytest.mark.parametrize("make", [spread, lambda *e: Partition().run(log_of([defined(), *e]))])
def test_pages_follow_one_another_until_nobody_is_left(make: Any) -> None:
    partition = make(*PEOPLE)
    pages, after = [], -1
    for start in range(50, 53):
        pages.append(shown(asked(partition, start, after=after, limit=2)))
        after = pages[-1][-1][0]
    assert pages == [WAIT[:2], WAIT[2:4], WAIT[4:]]
    assert shown(asked(partition, 53, after=after)) == []


def test_a_page_may_begin_between_two_messages() -> None:
    partition = spread(PEOPLE[0], invoked(), *PEOPLE[1:])
    assert [offset for offset, _ in shown(asked(partition, after=2))] == [3, 4, 5, 6]
    assert [offset for offset, _ in shown(asked(partition, 51, after=4))] == [5, 6]


@pytest.mark.parametrize(("limit", "size"), [(0, 0), (-1, 0), (5000, 1000)])
def test_a_page_is_never_larger_than_an_answer_may_be(limit: int, size: int) -> None:
    many = [triggered(email=FIVE[0], context=b"%d" % number) for number in range(1001)]
    partition = Partition().run(log_of([defined(), *many]))
    assert len(shown(asked(partition, 2000, limit=limit))) == size


def test_who_waits_with_two_contexts_is_there_twice_and_who_is_suppressed_is_not() -> None:
    partition = spread(
        PEOPLE[0], triggered(email=FIVE[0], context=b"2"), triggered(email=FIVE[1], status=0)
    )
    assert [rid for _, rid in shown(asked(partition))] == [WAIT[0][1]] * 2


def test_what_was_invoked_is_on_its_way_and_waits_no_more() -> None:
    partition = spread(*PEOPLE, invoked(), triggered(email=FIVE[0]))
    assert len(partition.state.drains) == 1
    assert shown(asked(partition)) == [(7, WAIT[0][1])]


def test_who_waits_in_a_cancelled_mailing_can_be_seen() -> None:
    assert shown(asked(spread(*PEOPLE, switched(MailingPhase.CANCELLED)))) == WAIT


def test_an_unknown_mailing_has_nobody() -> None:
    answer = asked(spread(), mid=5)
    assert (answer["outcome"], answer["messages"]) == ("UNKNOWN_MAILING", [])


def test_a_question_that_nobody_waits_for_is_not_answered() -> None:
    partition = spread(*PEOPLE)
    partition.output.answers.clear()
    partition.run(log_of([pending_asked(reply_partition=-1)], start=50))
    assert partition.output.answers == []
