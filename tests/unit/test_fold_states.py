"""What each state of a mailing allows, cell by cell, and that all partitions come into one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from schemas.ids import mailing_key
from schemas.records import MailingPhase, Origin, Outcome
from tests.support.contents import World
from tests.support.events import (
    CODEC,
    Event,
    defined,
    invoked,
    log_of,
    switched,
    triggered,
)
from tests.support.folding import HOME, PARTITIONS, Partition, at_home

if TYPE_CHECKING:
    from collections.abc import Callable

A, B = at_home("user@domain.com", "b@b.org")
CREATED, ACTIVE, SUSPENDED = MailingPhase.CREATED, MailingPhase.ACTIVE, MailingPhase.SUSPENDED
CANCELLED, FINISHED = MailingPhase.CANCELLED, MailingPhase.FINISHED
# How a mailing gets there; whoever can be triggered on the way is.
WAYS: dict[MailingPhase, tuple[Event, ...]] = {
    CREATED: (defined(state=CREATED),),
    ACTIVE: (defined(), triggered(email=A)),
    SUSPENDED: (defined(), triggered(email=A), switched(SUSPENDED)),
    CANCELLED: (defined(), triggered(email=A), switched(CANCELLED)),
    FINISHED: (defined(), triggered(email=A), switched(FINISHED)),
}
STEPS: dict[str, Event] = {
    "define": defined(name="New"),
    "define as created": defined(name="New", state=CREATED),
    "define as active": defined(name="New", state=ACTIVE),
    "suspend": switched(SUSPENDED),
    "resume": switched(ACTIVE),
    "cancel": switched(CANCELLED),
    "finish": switched(FINISHED),
    "invoke": invoked(),
}
# The state that a step leads to; None: it is refused. As in docs/adr/0016.
TABLE: dict[MailingPhase, dict[str, MailingPhase | None]] = {
    CREATED: {
        "define": CREATED,
        "define as created": CREATED,
        "define as active": ACTIVE,
        "suspend": None,
        "resume": ACTIVE,
        "cancel": CANCELLED,
        "finish": None,
        "invoke": None,
    },
    ACTIVE: {
        "define": ACTIVE,
        "define as created": None,
        "define as active": ACTIVE,
        "suspend": SUSPENDED,
        "resume": ACTIVE,
        "cancel": CANCELLED,
        "finish": FINISHED,
        "invoke": ACTIVE,
    },
    SUSPENDED: {
        "define": SUSPENDED,
        "define as created": None,
        "define as active": ACTIVE,
        "suspend": SUSPENDED,
        "resume": ACTIVE,
        "cancel": CANCELLED,
        "finish": FINISHED,
        "invoke": None,
    },
    CANCELLED: dict.fromkeys(STEPS) | {"cancel": CANCELLED},
    FINISHED: dict.fromkeys(STEPS) | {"finish": FINISHED},
}
CELLS = [(state, step) for state in MailingPhase for step in STEPS]


def folded(*events: Event) -> Partition:
    return Partition().run(log_of(events))


def last_answer(partition: Partition) -> dict[str, Any]:
    return partition.output.answers[-1][1]


@pytest.mark.parametrize(("state", "step"), CELLS, ids=lambda value: str(value).lower())
def test_a_step_leads_where_the_table_says_or_is_refused(state: MailingPhase, step: str) -> None:
    partition = folded(*WAYS[state])
    before = partition.state.mailings[2, 1].revision
    partition.output.copies.clear()
    partition.run(log_of([STEPS[step]], start=10))
    mailing, wanted = partition.state.mailings[2, 1], TABLE[state][step]
    answer = last_answer(partition)
    if wanted is None:
        assert (mailing.state, mailing.revision, mailing.name) == (state, before, "A mailing")
        assert (answer["outcome"], answer["revision"]) == ("WRONG_STATE", before)
        assert [shown["state"] for shown in answer["mailings"]] == [state]
        assert partition.output.copies == []
    else:
        assert (mailing.state, mailing.revision) == (wanted, before + 1)
        assert (answer["outcome"], answer["revision"]) == ("DONE", before + 1)
        assert answer["mailings"] == []
        assert len(partition.output.copies) == PARTITIONS - 1


@pytest.mark.parametrize("state", MailingPhase)
def test_a_trigger_is_taken_or_told_that_the_mailing_is_closed(state: MailingPhase) -> None:
    partition = folded(*WAYS[state])
    pending = partition.state.mailings[2, 1].pending
    partition.run(log_of([triggered(email=B)], start=10))
    mailing = partition.state.mailings[2, 1]
    if state in {ACTIVE, SUSPENDED}:
        assert partition.outcomes()[-1][1] is Outcome.CREATED
        assert (mailing.pending, mailing.rejected) == (pending + 1, 0)
    else:
        assert partition.outcomes()[-1] == (0, Outcome.MAILING_CLOSED)
        assert (mailing.pending, mailing.rejected) == (pending, 1)
    assert mailing.triggered == len(partition.outcomes())


@pytest.mark.parametrize("state", [SUSPENDED, CANCELLED, FINISHED])
def test_neither_request_nor_timer_sends_what_waits(state: MailingPhase) -> None:
    partition = folded(*WAYS[state])
    assert partition.state.waiting() == []
    late = invoked(origin=Origin.TIMER, invocation=1)
    partition.run(log_of([invoked(), late], start=10)).drain_all()
    mailing = partition.state.mailings[2, 1]
    assert partition.sends() == []
    assert (mailing.created, mailing.pending, mailing.sent, mailing.suppressed) == (1, 1, 0, 0)


def test_what_was_held_back_is_sent_once_after_it_is_resumed() -> None:
    partition = folded(
        *WAYS[SUSPENDED], triggered(email=A), triggered(email=B), switched(ACTIVE), invoked()
    )
    assert [send["email"] for send in partition.drain_all().sends()] == [A, B]
    assert last_answer(partition)["messages"] == 2


def test_what_was_cut_is_sent_though_its_mailing_is_cancelled() -> None:
    partition = folded(
        *WAYS[ACTIVE], invoked(), triggered(email=B, context=b"late"), switched(CANCELLED)
    )
    assert [send["email"] for send in partition.drain_all().sends()] == [A]
    mailing = partition.state.mailings[2, 1]
    assert (mailing.sent, mailing.pending) == (1, 1)


def test_an_unknown_mailing_is_not_switched() -> None:
    assert last_answer(folded(switched(CANCELLED)))["outcome"] == "UNKNOWN_MAILING"


def test_a_step_is_copied_to_every_other_partition() -> None:
    partition = folded(defined(), switched(SUSPENDED, reply_partition=5))
    copies = partition.output.copies[PARTITIONS - 1 :]
    assert [to for to, _, _ in copies] == [other for other in range(PARTITIONS) if other != HOME]
    for _, key, value in copies:
        name, copy = CODEC.decode(value)
        assert (key, name) == (mailing_key(2, 1), "MailingSwitched")
        assert (copy["origin"], copy["revision"], copy["state"]) == ("COPY", 2, "SUSPENDED")


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(switched(ACTIVE, origin=Origin.TIMER), id="a timer switches"),
        pytest.param(switched(ACTIVE, origin=Origin.COPY, revision=9), id="a copy at home"),
        pytest.param(switched(ACTIVE, 2, 9), id="a request elsewhere"),
        pytest.param(defined(state=SUSPENDED), id="defined as suspended"),
        pytest.param(defined(channels=()), id="no channel"),
    ],
)
def test_what_nobody_may_ask_is_a_dead_letter(wrong: Event) -> None:
    partition = folded(defined(), wrong)
    assert len(partition.output.dead_letters) == 1
    assert partition.state.mailings[2, 1].revision == 1


@pytest.mark.parametrize("shuffle", [lambda events: events, reversed], ids=["a first", "b first"])
def test_callers_who_switch_at_once_leave_every_partition_in_one_state(
    shuffle: Callable[[list[Event]], Any],
) -> None:
    world = World().log(defined()).work()
    wanted = [switched(state, request_id=state) for state in (SUSPENDED, ACTIVE) * 3]
    world.log(*shuffle(wanted)).work(chunk=2)
    states = {(f.state.mailings[2, 1].state, f.state.mailings[2, 1].revision) for f in world.folds}
    assert len(states) == 1
    assert [breach.line() for breach in world.contents.recount().breaches] == []
