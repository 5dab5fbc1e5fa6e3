"""The recount of a log whose beginning was deleted: right, or silent and saying so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from schemas.calls import HOUR_MS, call_key
from schemas.ids import rid_of
from schemas.partition import partition_for
from schemas.records import DedupPolicy, MailingPhase, UnknownRecipients
from streams.verify.reading import ACKS, LOG, SENDS, STATE
from streams.verify.report import Kind
from tests.support.contents import RECORDS, World, kinds
from tests.support.events import (
    START_MS,
    asked,
    begun,
    changed,
    defined,
    erased,
    invoked,
    once,
    pending_asked,
    queried,
    switched,
    triggered,
)
from tests.support.folding import HOME, PARTITIONS, at_home

if TYPE_CHECKING:
    from streams.verify.report import Report
    from tests.support.contents import Contents
    from tests.support.events import Event

ANNA, BERTA, CARLA = at_home("anna@example.org", "berta@example.org", "carla@example.org")
SUSPENDED, ACTIVE = MailingPhase.SUSPENDED, MailingPhase.ACTIVE


def call(email: str, number: int) -> Event:
    return triggered(email=email, request_id=f"call {number}")


def busy_world() -> Contents:
    """A mailing that is invoked three times, suspended and resumed, and invoked twice more."""
    made = World().log(defined(request_id="d1")).work()
    number = 0
    for turn in range(5):
        for email in (ANNA, BERTA, CARLA):
            made.log(call(email, number)).work()
            number += 1
        if turn == 2:
            made.log(switched(SUSPENDED, request_id="s1"), call(ANNA, 90)).work()
            made.log(switched(ACTIVE, request_id="s2")).work()
        made.log(invoked(request_id=f"i{turn}")).work()
    return made.contents


def breaches(report: Report) -> list[str]:
    return [breach.line() for breach in report.breaches]


@pytest.mark.parametrize("begin", range(1, 24))
def test_every_send_that_is_missing_is_named_or_said_to_be_open(begin: int) -> None:
    contents = busy_world()
    contents.begins[LOG, HOME] = begin
    whole = contents.recount()
    assert breaches(whole) == []
    missed = 0
    for at, raw in enumerate(list(contents.records[SENDS, HOME])):
        if int(RECORDS.read(raw.value)[1]["send_id"].split(":")[2]) >= begin:
            del contents.records[SENDS, HOME][at]
            missed += not contents.recount().breaches
            contents.records[SENDS, HOME].insert(at, raw)
    assert missed <= whole.counts["messages_unsure"] <= 4


def test_an_answer_from_before_a_suspension_that_shows_too_late_is_not_called_lost() -> None:
    made = World().log(defined()).work().log(switched(SUSPENDED, request_id="s1")).work()
    made.log(invoked(request_id="refused")).work()
    made.log(switched(ACTIVE, request_id="s2"), call(ANNA, 1), invoked(request_id="i")).work()
    contents = made.contents
    contents.begins[LOG, HOME] = 2
    assert breaches(contents.recount()) == []


def test_what_a_mailing_of_another_type_refused_is_no_breach() -> None:
    made = World().log(*(defined(type="periodic", request_id=each) for each in "ab")).work()
    made.log(call(ANNA, 1), defined(request_id="d2")).work()
    made.log(call(ANNA, 2), invoked(request_id="i2"), call(ANNA, 3)).work()
    contents = made.contents
    contents.begins[LOG, HOME] = 2
    report = contents.recount()
    assert breaches(report) == []
    assert [limit for limit in report.limits if "another type" in limit]


def test_recipients_refused_by_an_older_definition_are_not_called_lost() -> None:
    made = World().log(defined(unknown_recipients=UnknownRecipients.REJECT)).work()
    made.log(call(ANNA, 1), defined(request_id="d2"), call(BERTA, 2)).work()
    made.log(invoked(request_id="i2"), call(CARLA, 3)).work()
    contents = made.contents
    contents.begins[LOG, HOME] = 1
    assert breaches(contents.recount()) == []


def test_a_recipient_that_is_gone_is_seen_also_under_an_unknown_definition() -> None:
    made = World().log(defined(dedup=DedupPolicy.NONE)).work()
    made.log(call(ANNA, 1), defined(request_id="d2")).work()
    contents = made.contents
    contents.begins[LOG, HOME] = 1
    contents.records[STATE, HOME] = [
        raw for raw in contents.records[STATE, HOME] if not (raw.key or b"").startswith(b"b:")
    ]
    found = contents.recount().breaches
    assert [breach.offset for breach in found if breach.kind == "lost"] == [1]


def test_a_list_of_who_waits_is_open_while_a_recipient_is() -> None:
    made = World().log(defined(), call(ANNA, 1), invoked(request_id="i1")).work()
    made.log(changed(email=ANNA, status=0, request_id="c1"), call(ANNA, 2)).work()
    made.log(pending_asked(request_id="p"), changed(email=ANNA, status=1, request_id="c2")).work()
    made.contents.begins[LOG, HOME] = 2
    assert breaches(made.contents.recount()) == []


def test_an_entry_made_again_after_the_beginning_is_read_both_ways() -> None:
    made = World().log(defined(interval_s=0)).work()
    entry = triggered(email=ANNA, request_id="a", index=1)
    made.log(once(entry), invoked(request_id="i1")).work()
    made.log(once(entry), once(triggered(email=BERTA, request_id="b", index=2))).work()
    made.log(invoked(request_id="i2"), invoked(request_id="i3"), call(ANNA, 5)).work()
    made.contents.begins[LOG, HOME] = 2
    report = made.contents.recount()
    assert breaches(report) == []
    assert report.counts["answers_unsure"] >= 1


def test_an_entry_that_may_be_a_repeat_may_have_been_counted_before() -> None:
    made = World()
    # What lies before the first event was deleted, for all that is known.
    made.contents.add(LOG, HOME, *defined(), offset=2)
    made.contents.add(LOG, HOME, *once(triggered(rid=rid_of(77, HOME))), offset=3)
    made.contents.add(LOG, HOME, *queried(2, 1), offset=4)
    made.work().contents.begins[LOG, HOME] = 1
    assert breaches(made.contents.recount()) == []


@pytest.mark.parametrize("named", [{"rid": rid_of(77, HOME)}, {"email": ANNA, "mid": 9}])
def test_a_repeat_that_names_something_else_is_answered_as_the_deleted_first_was(
    named: dict[str, Any],
) -> None:
    made = World().log(defined(interval_s=0), partition=HOME)
    made.log(once(triggered(email=ANNA, request_id="first")), partition=HOME).work()
    again = once(triggered(**named, request_id="again"))
    made.log(again, partition=HOME).work()
    made.contents.begins[LOG, HOME] = 2
    assert breaches(made.contents.recount()) == []


def test_a_send_to_who_was_erased_since_is_no_breach_when_both_events_are_deleted() -> None:
    made = World().log(defined(interval_s=0), partition=HOME)
    made.log(triggered(email=ANNA), invoked(), erased(email=ANNA), partition=HOME).work()
    made.log(queried(2, 1), partition=HOME).work()
    assert made.contents.records[SENDS, HOME]
    made.contents.begins[LOG, HOME] = 4
    assert breaches(made.contents.recount()) == []


def came_back(*, again: bool) -> World:
    """Anna is erased, refused, and created once more, all under definitions that change after.

    Or *again*: she is erased once more at last.
    """
    picky = UnknownRecipients.REJECT
    events = [
        defined(request_id="d1"),
        triggered(email=ANNA, request_id="first"),
        erased(email=ANNA),
        defined(request_id="d2", unknown_recipients=picky),
        triggered(email=ANNA, request_id="refused"),
        defined(request_id="d3"),
        triggered(email=ANNA, request_id="back"),
        triggered(rid=rid_of(1, HOME), request_id="by rid"),
        defined(request_id="d4", unknown_recipients=picky),
        *[erased(email=ANNA, index=1)] * again,
        asked(email=ANNA),
    ]
    return World().log(*events, partition=HOME).work()


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("begin", range(11))
def test_who_was_erased_and_came_back_under_a_deleted_definition_is_no_breach(
    begin: int, *, again: bool
) -> None:
    made = came_back(again=again)
    made.contents.begins[LOG, HOME] = begin
    report = made.contents.recount()
    assert breaches(report) == []
    if begin in (4, 6):
        assert report.counts["recipients_unsure"] == 1
        assert [limit for limit in report.limits if "may have come back" in limit]


def test_who_is_there_perhaps_and_kept_beside_what_is_left_is_doubled() -> None:
    contents = came_back(again=False).contents
    contents.begins[LOG, HOME] = 6
    stub = re.compile(rb"e:(?!key)")
    kept = [raw for raw in contents.records[STATE, HOME] if stub.match(raw.key or b"")]
    contents.add(STATE, HOME, kept[0].key, kept[0].value)
    assert kinds(contents.recount()) == {Kind.DOUBLED: 1}


def test_what_failed_says_nothing_of_how_far_other_answers_are_deleted() -> None:
    made = World().log(defined(), partition=HOME).work()
    # One transaction, whose acknowledgements lie before its other answers.
    made.log(erased(email="guest@b.org"), triggered(email=ANNA), partition=HOME).work(chunk=2)
    names = [RECORDS.name_of(raw.value) for raw in made.contents.records[ACKS, 0]]
    assert names[-2:] == ["Acknowledgement", "RecipientAnswer"]
    made.contents.begins[ACKS, 0] = len(names) - 1
    assert breaches(made.contents.recount()) == []


def test_answers_that_one_transaction_kept_on_both_sides_are_no_breach() -> None:
    made = World().log(defined(interval_s=0)).work()
    entries = [
        once(triggered(email=email, request_id=email, index=at))
        for at, email in enumerate((ANNA, BERTA, CARLA))
    ]
    made.log(*entries).work(chunk=3)
    made.log(invoked(request_id="i1")).work()
    made.contents.begins[LOG, HOME] = 2
    assert breaches(made.contents.recount()) == []


def test_a_key_that_was_used_again_a_day_later_is_read_both_ways() -> None:
    made = World().log(defined(), partition=HOME).work()
    key = next(
        key for key in map(str, range(50)) if partition_for(call_key(2, 1, key), PARTITIONS) == HOME
    )
    for request_id, hours in (("first", 0), ("again", 1), ("a day later", 30)):
        log_key, value = begun(key=key, request_id=request_id)
        made.contents.add(LOG, HOME, log_key, value, time_ms=START_MS + hours * HOUR_MS)
        made.work()
    made.contents.begins[LOG, HOME] = 2
    assert breaches(made.contents.recount()) == []
