"""Recipients are read, changed, unsubscribed over HTTP, with a real log and worker behind it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.stack import ORG

if TYPE_CHECKING:
    import httpx

    from tests.support.stack import Stack

pytestmark = pytest.mark.embedded_will_do

PATH = "/v3.7/recipient"


def read(stack: Stack, **who: object) -> httpx.Response:
    return stack.http.get(PATH, params={"orgid": ORG} | who)


def change(stack: Stack, rid: int, **fields: object) -> dict[str, Any]:
    answer = stack.http.put(PATH, params={"orgid": ORG, "rid": rid}, json=fields)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_a_recipient_is_read_by_rid_and_by_any_spelling_as_it_was_first_written(
    stack: Stack,
) -> None:
    before = datetime.now(UTC)
    (rid,) = stack.mailing().ids('[{"email":"Reader@Example.com","firstName":"Zoë"}]')

    by_rid, by_address = read(stack, rid=rid), read(stack, email="reader@EXAMPLE.com")

    assert by_rid.json() == by_address.json()
    document = by_rid.json()
    assert (document["rid"], document["email"]) == (rid, "Reader@Example.com")
    assert (document["firstName"], document["status"]) == ("Zoë", 1)
    created = datetime.fromisoformat(document["createdDate"])
    # Of the broker, whose clock is this machine's, cut to milliseconds.
    assert abs((created - before).total_seconds()) < 60
    assert document["modifiedDate"] == document["createdDate"]


def test_what_was_changed_is_read_and_mailed(stack: Stack) -> None:
    mailing = stack.mailing()
    (rid,) = mailing.ids('[{"email":"mover@example.com","city":"Aarhus"}]')

    changed = change(stack, rid, city="Ribe", profileData={"vip": True})

    assert (changed["city"], changed["profileData"]) == ("Ribe", {"vip": True})
    assert changed["modifiedDate"] >= changed["createdDate"]
    assert read(stack, rid=rid).json() == changed
    assert mailing.ids(f'[{{"rid":{rid},"context":1}}]') == [rid]
    # What waited when it was changed is complete, and stays as it was.
    assert [send["city"] for send in mailing.mailed()] == ["Aarhus", "Ribe"]


def test_who_is_unknown_is_a_404_for_every_organisation(stack: Stack) -> None:
    (rid,) = stack.mailing().ids('[{"email":"known@example.com"}]')

    answers = [
        read(stack, rid=rid + 1024 * 10**6),
        read(stack, rid=rid // 1024 * 1024 + 1000),
        read(stack, email="unknown@example.com"),
        stack.http.get(PATH, params={"orgid": ORG + 1, "rid": rid}),
        stack.http.put(PATH, params={"orgid": ORG + 1, "rid": rid}, json={"status": 0}),
        stack.http.put(PATH, params={"orgid": ORG, "email": "unknown@example.com"}, json={}),
    ]

    assert [answer.status_code for answer in answers] == [404] * len(answers)
    assert {answer.json()["code"] for answer in answers} == {"UNKNOWN_RECIPIENT"}
    assert read(stack, rid=rid).json()["status"] == 1


def test_an_address_never_changes(stack: Stack) -> None:
    (rid,) = stack.mailing().ids('[{"email":"Fixed@Example.com"}]')
    params = {"orgid": ORG, "rid": rid}

    other = stack.http.put(PATH, params=params, json={"email": "new@example.com", "city": "X"})
    spelt = stack.http.put(PATH, params=params, json={"email": "FIXED@example.com", "city": "Y"})

    assert (other.status_code, other.json()["code"]) == (409, "ADDRESS_FIXED")
    assert (spelt.status_code, spelt.json()["email"]) == (200, "Fixed@Example.com")
    assert read(stack, rid=rid).json()["city"] == "Y"


def test_an_unsubscription_before_the_invocation_takes_the_message_back(stack: Stack) -> None:
    mailing = stack.mailing()
    rid, other = mailing.ids('[{"email":"leaver@example.com"},{"email":"stayer@example.com"}]')

    assert change(stack, rid, status="unsubscribed")["status"] == 0
    waiting = mailing.counters()
    again = mailing.ids('[{"email":"Leaver@Example.com","status":1,"context":2}]')
    sends = mailing.mailed()

    assert (waiting["pending"], waiting["suppressed"]) == (1, 1)
    assert again == [rid]
    assert [send["rid"] for send in sends] == [other]
    counters = mailing.counters()
    accepted = counters["created"] + counters["known"]
    assert (accepted, counters["sent"], counters["suppressed"], counters["pending"]) == (3, 1, 2, 0)
    change(stack, rid, status=1)
    mailing.ids(f"[{rid}]")
    assert [send["rid"] for send in mailing.mailed()] == [other, rid]


@pytest.mark.parametrize("subscribed", [True, None])
def test_opting_out_of_sms_is_in_the_messages_that_wait(
    stack: Stack, subscribed: bool | None
) -> None:
    mailing = stack.mailing()
    flag = "" if subscribed is None else f',"smsSubscribed":{str(subscribed).lower()}'
    (rid,) = mailing.ids(
        f'[{{"email":"sms{flag[-4:]}@example.com","smsContact":"+4512345678"{flag}}}]'
    )

    change(stack, rid, smsSubscribed=False)

    assert [send["smsSubscribed"] for send in mailing.mailed()] == [False]
