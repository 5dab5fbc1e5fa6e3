"""The recount of mailings that are suspended, cancelled, or go by several channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from schemas.records import Channel, MailingPhase
from streams.verify.reading import ACKS, LOG, SENDS, STATE
from tests.support.contents import RECORDS, World
from tests.support.events import (
    CODEC,
    Event,
    defined,
    invoked,
    pending_asked,
    queried,
    switched,
    triggered,
)
from tests.support.folding import HOME, PARTITIONS, at_home

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.contents import Contents

ANNA, BERTA, CARLA = at_home("anna@example.org", "berta@example.org", "carla@example.org")
SUSPENDED, ACTIVE = MailingPhase.SUSPENDED, MailingPhase.ACTIVE
NUMBER = "+4512345678"


def call(email: str, number: int) -> Event:
    return triggered(email=email, request_id=f"call {number}", smsContact=NUMBER)


def world() -> World:
    """Anna got an e-mail and an SMS; Berta waits, in a mailing that was cancelled."""
    made = World().log(defined(channels=tuple(Channel))).work()
    made.log(call(ANNA, 1), switched(SUSPENDED, request_id="s1")).work()
    made.log(invoked(request_id="refused"), switched(ACTIVE, request_id="s2")).work()
    made.log(invoked(request_id="i1"), call(BERTA, 2), switched(SUSPENDED, request_id="s3")).work()
    made.log(switched(MailingPhase.CANCELLED, request_id="s4"), call(CARLA, 3)).work()
    return made.log(
        queried(2, 1, request_id="q"), pending_asked(request_id="who"), defined(request_id="late")
    ).work()


def edit(
    contents: Contents, place: tuple[str, int], at: int, change: Callable[[dict[str, Any]], None]
) -> None:
    raw = contents.records[place][at]
    name, record = RECORDS.read(raw.value)
    change(record)
    contents.records[place][at] = raw._replace(value=CODEC.encode(name, record))


def mailing_at(contents: Contents) -> int:
    records = contents.records[STATE, HOME]
    return max(at for at, raw in enumerate(records) if raw.key == b"m:2:1")


def answer_at(contents: Contents, request_id: str) -> int:
    """Return where the home partition's answer to a control event lies."""
    for at, raw in enumerate(contents.records[ACKS, 0]):
        _, record = RECORDS.read(raw.value)
        if (record.get("request_id"), record.get("index")) == (request_id, HOME):
            return at
    raise AssertionError(request_id)


def lines(contents: Contents) -> list[str]:
    return [breach.line() for breach in contents.recount().breaches]


def test_what_the_fold_wrote_has_no_breach() -> None:
    contents = world().contents
    assert lines(contents) == []
    report = contents.recount()
    assert (report.counts["sends"], report.counts["pending"]) == (2, 1)
    assert report.limits == []


def drop_sms(contents: Contents) -> None:
    del contents.records[SENDS, HOME][1]


def drop_email(contents: Contents) -> None:
    del contents.records[SENDS, HOME][0]


def send_sms_twice(contents: Contents) -> None:
    sms = contents.records[SENDS, HOME][1]
    contents.add(SENDS, HOME, sms.key, sms.value)


def name_sms_as_email(contents: Contents) -> None:
    edit(contents, (SENDS, HOME), 1, lambda s: s.update(send_id=s["send_id"][: -len(":sms")]))


def resume_by_hand(contents: Contents) -> None:
    edit(contents, (STATE, HOME), mailing_at(contents), lambda m: m.update(state="ACTIVE"))


def count_no_sms(contents: Contents) -> None:
    edit(contents, (STATE, HOME), mailing_at(contents), lambda m: m.update(sms=0))


def drop_channel(contents: Contents) -> None:
    edit(contents, (STATE, HOME), mailing_at(contents), lambda m: m.update(channels=["EMAIL"]))


def tell_another_state(contents: Contents) -> None:
    at = answer_at(contents, "refused")
    edit(contents, (ACKS, 0), at, lambda told: told["mailings"][0].update(state="FINISHED"))


def hide_who_waits(contents: Contents) -> None:
    at = answer_at(contents, "who")
    edit(contents, (ACKS, 0), at, lambda told: told.update(messages=[]))


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        pytest.param(drop_sms, "neither sent by SMS nor waiting", id="an SMS is missing"),
        pytest.param(drop_email, "neither sent by EMAIL nor waiting", id="an e-mail is missing"),
        pytest.param(send_sms_twice, "sent before", id="an SMS twice"),
        pytest.param(name_sms_as_email, "no send of this partition", id="another name"),
        pytest.param(resume_by_hand, "state differs", id="another state"),
        pytest.param(count_no_sms, "sms is 0, the log says 1", id="another count"),
        pytest.param(drop_channel, "channels differs", id="another channel"),
        pytest.param(tell_another_state, "answered", id="a refusal with another state"),
        pytest.param(hide_who_waits, "answered", id="a list without who waits"),
    ],
)
def test_what_is_tampered_with_is_named(tamper: Callable[[Contents], None], named: str) -> None:
    contents = world().contents
    tamper(contents)
    found = lines(contents)
    assert [line for line in found if named in line], found


@pytest.mark.parametrize("begin", range(1, 7))
def test_a_log_that_lost_its_beginning_is_followed_from_any_state(begin: int) -> None:
    contents = world().contents
    contents.begins[LOG, HOME] = begin
    report = contents.recount()
    assert [breach.line() for breach in report.breaches] == []
    assert [limit for limit in report.limits if "nothing is said" in limit] == []


def test_a_partition_that_never_hears_of_a_step_is_named() -> None:
    made = World().log(defined()).work().log(switched(SUSPENDED))
    records = [(raw.offset, raw.key, raw.value, 0) for raw in made.contents.records[LOG, HOME]]
    made.fold(HOME, records)
    deaf = next(partition for partition in range(PARTITIONS) if partition != HOME)
    made.contents.records[LOG, deaf].pop()
    (found,) = lines(made.work().contents)
    assert "MailingSwitched of mailing 1 of organisation 2, revision 2, never came" in found
