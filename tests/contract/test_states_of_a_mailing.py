"""The life of a mailing over HTTP, against broker, worker and bridge for real."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.recount import Recount

if TYPE_CHECKING:
    import httpx

    from tests.support.stack import Mailing, Stack

pytestmark = pytest.mark.embedded_will_do

ANNA = b'[{"email":"anna@example.com","smsContact":"+45 12 34 56 78"}]'
BERTA = b'[{"email":"berta@example.com","smsContact":"+4512345678","smsSubscribed":false}]'


def step(mailing: Mailing, path: str, **more: str) -> httpx.Response:
    """Make one call about a mailing's state."""
    return mailing.stack.http.put(f"/v3.7/mailing/{path}", params=mailing.params | more)


def test_a_suspended_mailing_takes_recipients_and_mails_them_when_it_is_resumed(
    stack: Stack,
) -> None:
    mailing = stack.mailing(channels=["email", "sms"])
    suspended = step(mailing, "suspend", suspend="true")
    (rid,), (other,) = mailing.ids(ANNA), mailing.ids(BERTA)
    invoked = stack.http.post("/v3.7/mailing/invoke", params=mailing.params)
    waiting = stack.http.get("/v3.7/mailing/pending", params=mailing.params).json()

    assert (suspended.status_code, suspended.json()["state"]) == (200, "suspended")
    assert (invoked.status_code, invoked.json()["code"]) == (409, "WRONG_STATE")
    assert invoked.json()["state"] == "suspended"
    assert (sorted(waiting["rids"]), waiting["next"]) == (sorted([rid, other]), None)

    assert step(mailing, "suspend", suspend="false").json()["state"] == "active"
    sends = mailing.mailed()
    assert {(send["rid"], send["channel"]) for send in sends} == {
        (rid, "EMAIL"),
        (rid, "SMS"),
        (other, "EMAIL"),
    }
    counters = mailing.counters()
    assert (counters["sent"], counters["emails"], counters["sms"]) == (2, 2, 1)


@pytest.mark.parametrize(("path", "state"), [("cancel", "cancelled"), ("finish", "finished")])
def test_a_closed_mailing_takes_nobody_and_what_waits_stays(
    stack: Stack, path: str, state: str
) -> None:
    mailing = stack.mailing()
    (rid,) = mailing.ids(ANNA)
    closed = step(mailing, path)
    refused = mailing.call(BERTA)
    resumed = step(mailing, "suspend", suspend="false")

    assert closed.json() == [{"mid": mailing.mid, "status": 200, "state": state, "pending": 1}]
    assert (refused.status_code, refused.json()["code"]) == (409, "MAILING_CLOSED")
    assert (resumed.status_code, resumed.json()["state"]) == (409, state)
    counters = mailing.counters()
    assert (counters["created"] + counters["known"], counters["pending"]) == (1, 1)
    assert (counters["sent"], counters["rejected"]) == (0, 1)
    waiting = stack.http.get("/v3.7/mailing/pending", params=mailing.params).json()
    assert waiting["rids"] == [rid]


def test_a_created_mailing_takes_nobody_until_it_is_active(stack: Stack) -> None:
    mailing = stack.mailing(state="created")
    early = mailing.call(ANNA)
    stack.mailing(mailing.mid, state="active")

    assert (early.status_code, early.json()["code"]) == (409, "MAILING_CLOSED")
    assert len(mailing.ids(ANNA)) == 1


def test_a_mailing_may_refuse_addresses_that_nobody_has(stack: Stack) -> None:
    (rid,) = stack.mailing().ids(ANNA)
    mailing = stack.mailing(unknownRecipients="reject")
    alone = mailing.call(b'{"email":"nobody@example.com"}')
    both = mailing.call(b'[{"email":"Anna@example.com"},{"email":"nobody@example.com"}]')

    assert (alone.status_code, both.status_code) == (404, 422)
    assert both.json()["ids"] == [rid, None]
    (error,) = both.json()["errors"]
    assert (error["index"], error["field"], error["code"]) == (1, "email", "UNKNOWN_RECIPIENT")


def test_a_recipient_gets_no_more_messages_within_an_hour_than_the_cap(stack: Stack) -> None:
    mailing = stack.mailing(hourlyCap=2)
    entries = [{"email": "capped@example.com", "context": number} for number in range(3)]
    first = mailing.call(json.dumps(entries), prefer="return=representation")
    assert len(mailing.mailed()) == 2
    again = mailing.call(json.dumps(entries), prefer="return=representation")

    assert (first.status_code, again.status_code) == (200, 200)
    rows, rows_again = first.json(), again.json()
    assert [row["outcome"] for row in rows] == ["created", "known", "suppressed"]
    assert [row["outcome"] for row in rows_again] == ["suppressed"] * 3
    assert len({row["rid"] for row in rows + rows_again}) == 1
    assert len(mailing.mailed()) == 2
    counters = mailing.counters()
    assert (counters["hourlyCap"], counters["suppressed"], counters["pending"]) == (2, 4, 0)
    assert [breach.line() for breach in Recount(stack.cluster).report.breaches] == []
