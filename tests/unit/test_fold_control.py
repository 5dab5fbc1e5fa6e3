"""Mailings are defined, invoked and asked for; each request is judged at home alone."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.ids import mailing_key, rid_of
from schemas.records import DedupPolicy, MailingPhase, Origin, Outcome
from tests.support.events import (
    CODEC,
    START_MS,
    Event,
    defined,
    invoked,
    log_of,
    queried,
    triggered,
)
from tests.support.folding import HOME, PARTITIONS, Partition, at_home

A, B = at_home("user@domain.com", "b@b.org", orgids=(2, 4))
# Not at home in the partition under test.
AWAY = (2, 9)


def folded(*events: Event) -> Partition:
    return Partition().run(log_of(events))


def answers(partition: Partition) -> list[dict[str, Any]]:
    return [answer for _, answer in partition.output.answers]


def test_a_definition_is_answered_and_copied_to_every_other_partition() -> None:
    partition = folded(defined(name="Hello", dedup=DedupPolicy.NONE, reply_partition=5))
    ((to, answer),) = partition.output.answers
    assert to == 5
    assert (answer["index"], answer["outcome"], answer["revision"]) == (HOME, "DONE", 1)
    assert [to for to, _, _ in partition.output.copies] == [
        other for other in range(PARTITIONS) if other != HOME
    ]
    for _, key, value in partition.output.copies:
        assert key == mailing_key(2, 1)
        name, copy = CODEC.decode(value)
        assert name == "MailingDefined"
        assert (copy["origin"], copy["revision"]) == ("COPY", 1)
        assert (copy["name"], copy["dedup"], copy["reply_partition"]) == ("Hello", "NONE", 5)


def test_every_accepted_request_has_the_next_revision() -> None:
    partition = folded(defined(), defined(name="New"), invoked(), defined())
    assert [answer["revision"] for answer in answers(partition)] == [1, 2, 3, 4]
    assert partition.state.mailings[2, 1].name == "A mailing"


@pytest.mark.parametrize("phase", [MailingPhase.CANCELLED, MailingPhase.FINISHED])
def test_a_closed_mailing_is_neither_changed_nor_invoked(phase: MailingPhase) -> None:
    partition = folded(defined())
    partition.state.mailings[2, 1].state = phase
    partition.output.copies.clear()
    partition.run(log_of([defined(name="New"), invoked()], start=1))
    assert [answer["outcome"] for answer in answers(partition)[1:]] == ["WRONG_STATE"] * 2
    assert [answer["revision"] for answer in answers(partition)[1:]] == [1, 1]
    assert partition.output.copies == []
    assert partition.state.mailings[2, 1].name == "A mailing"


def test_a_suspended_mailing_is_invoked_neither_by_request_nor_by_timer() -> None:
    partition = folded(defined(), triggered(email=A))
    partition.state.mailings[2, 1].state = MailingPhase.SUSPENDED
    partition.run(log_of([invoked(), invoked(origin=Origin.TIMER, invocation=1)], start=2))
    assert [answer["outcome"] for answer in answers(partition)] == ["DONE", "WRONG_STATE"]
    assert partition.state.mailings[2, 1].invocation == 0


def test_an_unknown_mailing_and_one_of_another_type_are_not_invoked() -> None:
    partition = folded(invoked(), defined(type="periodic"), invoked())
    assert [answer["outcome"] for answer in answers(partition)] == [
        "UNKNOWN_MAILING",
        "DONE",
        "NOT_TRIGGERED",
    ]


def test_an_invocation_says_how_many_messages_it_cut_and_when() -> None:
    partition = folded(defined(), triggered(email=A), triggered(email=B), invoked(), invoked())
    assert [answer["messages"] for answer in answers(partition)] == [0, 2, 0]
    mailing = partition.state.mailings[2, 1]
    assert (mailing.invocation, mailing.invoked_at) == (2, START_MS + 4000)
    assert [cut.offset for cut in mailing.cuts] == [3]


def test_copies_take_their_revision_and_are_neither_copied_nor_taken_twice() -> None:
    copy = {"origin": Origin.COPY}
    partition = folded(
        defined(*AWAY, revision=3, **copy),  # type: ignore[arg-type]
        defined(*AWAY, revision=3, name="Again", **copy),  # type: ignore[arg-type]
        defined(*AWAY, revision=2, name="Late", **copy),  # type: ignore[arg-type]
        invoked(*AWAY, revision=4, **copy),  # type: ignore[arg-type]
        invoked(*AWAY, revision=4, **copy),  # type: ignore[arg-type]
    )
    assert [answer["revision"] for answer in answers(partition)] == [3, 4]
    assert partition.output.copies == []
    mailing = partition.state.mailings[AWAY]
    assert (mailing.name, mailing.revision, mailing.invocation) == ("A mailing", 4, 1)


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_timer_that_expects_another_number_does_nothing(number: int) -> None:
    partition = folded(
        defined(),
        triggered(email=A),
        invoked(),
        triggered(email=A),
        invoked(origin=Origin.TIMER, invocation=number),
    )
    assert partition.state.mailings[2, 1].invocation == 1
    assert len(answers(partition)) == 2


def test_a_timer_invokes_its_partition_without_answer_or_copies() -> None:
    timer = invoked(*AWAY, origin=Origin.TIMER, invocation=1)
    partition = folded(
        defined(*AWAY, origin=Origin.COPY, revision=1), triggered(*AWAY, email=A), timer, timer
    )
    assert partition.output.copies == []
    assert len(answers(partition)) == 1
    assert [send["invocation"] for send in partition.drain_all().sends()] == [1]
    assert partition.state.mailings[AWAY].revision == 1


def test_what_was_cut_is_sent_whatever_comes_after() -> None:
    partition = folded(
        defined(),
        triggered(email=A, context=b"1"),
        invoked(),
        defined(type="periodic", dedup=DedupPolicy.NONE),
    )
    partition.state.mailings[2, 1].state = MailingPhase.SUSPENDED
    assert [send["context"] for send in partition.drain_all().sends()] == [b"1"]


def test_queues_are_drained_in_the_order_of_their_cuts_and_messages() -> None:
    events = [defined(), defined(4, 1), triggered(4, 1, email=A)]
    events += [triggered(email=A), triggered(email=B), invoked(), invoked(4, 1)]
    partition = Partition()
    for event in log_of(events):
        # A transaction each, so that each message is a batch of its own.
        partition.run([event])
    partition.run(drain=1).run(drain=1)
    assert [(send["orgid"], send["email"]) for send in partition.sends()] == [
        (2, A),
        (2, B),
    ]
    assert len(partition.drain_all().sends()) == 3
    assert partition.state.mailings[2, 1].cuts == ()
    assert partition.state.queues == {}


def test_a_page_has_the_mailings_of_one_organisation_in_order() -> None:
    copies = [defined(2, mid, origin=Origin.COPY, revision=1) for mid in (9, 3, 4)]
    partition = folded(defined(), defined(22, 1), *copies, queried(2, after_mid=1, limit=2))
    *_, page = answers(partition)
    assert (page["outcome"], page["index"]) == ("DONE", HOME)
    assert [mailing["mid"] for mailing in page["mailings"]] == [3, 4]


@pytest.mark.parametrize(("limit", "shown"), [(0, 0), (-1, 0), (5000, 1000)])
def test_a_page_is_never_larger_than_an_answer_may_be(limit: int, shown: int) -> None:
    away = range(2, 1400)
    events = [
        defined(4, mid, origin=Origin.COPY, revision=1, name="ü" * 500, reply_partition=-1)
        for mid in away
    ]
    partition = folded(*events, queried(4, limit=limit))
    (page,) = answers(partition)
    assert len(page["mailings"]) == shown


def test_a_query_for_one_mailing_shows_its_counters() -> None:
    partition = folded(defined(), triggered(email=A), triggered(email=A), queried(2, 1))
    (shown,) = answers(partition)[-1]["mailings"]
    assert (shown["created"], shown["duplicates"], shown["triggered"]) == (1, 1, 2)


def test_a_query_for_an_unknown_mailing_says_so() -> None:
    assert answers(folded(queried(2, 5)))[0]["outcome"] == "UNKNOWN_MAILING"
    assert answers(folded(queried(2)))[0]["outcome"] == "DONE"


def test_a_timer_is_not_asked_for_what_it_may_not_invoke() -> None:
    def waiting(*events: Event) -> list[tuple[int, int]]:
        state = folded(*events).state
        return [(mailing.orgid, mailing.mid) for mailing in state.waiting()]

    pending = (defined(), triggered(email=A))
    assert waiting(*pending) == [(2, 1)]
    assert waiting(defined()) == []
    assert waiting(*pending, invoked()) == []
    assert waiting(*pending, invoked(), triggered(email=A)) == [(2, 1)]
    assert waiting(*pending, defined(interval_s=0)) == []
    assert waiting(*pending, defined(type="periodic")) == []


def test_a_recipient_of_one_mailing_is_known_to_all_of_its_organisation_alone() -> None:
    partition = folded(
        defined(),
        defined(*AWAY, origin=Origin.COPY, revision=1),
        defined(4, 1),
        triggered(email=A),
        triggered(*AWAY, email=A),
        triggered(4, 1, email=A),
    )
    assert partition.outcomes() == [
        (rid_of(3, HOME), Outcome.CREATED),
        (rid_of(3, HOME), Outcome.KNOWN),
        (rid_of(5, HOME), Outcome.CREATED),
    ]


def test_a_slice_of_a_drain_ends_early_where_contexts_are_large() -> None:
    large = [triggered(email=A, context=b"%0200000d" % number) for number in range(20)]
    partition = folded(defined(), *large, invoked())
    assert len(partition.run(drain=1000).sends()) == 6
    assert len(partition.drain_all().sends()) == 20
