"""What a caller of the original was promised, against broker, worker and bridge for real."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.bridge import SEED_BODY

if TYPE_CHECKING:
    from tests.support.stack import Stack

SEED_CALL = "/v3.7/mailing/trigger?orgid=2&mid=1"
UNKNOWN_RID = (10**9) * 1024


def test_the_seeds_own_call_is_one_id_one_message_and_what_was_given(stack: Stack) -> None:
    mailing = stack.mailing(1)
    headers = {"Content-Type": "application/json"}

    first = stack.http.put(SEED_CALL, content=SEED_BODY, headers=headers)
    again = stack.http.put(SEED_CALL, content=SEED_BODY, headers=headers)

    assert (first.status_code, first.headers["content-type"]) == (200, "application/json")
    (rid,) = first.json()
    assert type(rid) is int
    assert (again.status_code, again.json()) == (200, [rid])
    (send,) = mailing.mailed()
    assert (send["orgid"], send["mid"], send["rid"]) == (2, 1, rid)
    assert (send["email"], send["firstName"], send["lastName"]) == (
        "user@domain.com",
        "John",
        "Doe",
    )
    assert send["context"] == b'"XYZ-123"'


def test_the_same_call_after_an_invocation_is_a_new_message(stack: Stack) -> None:
    mailing = stack.mailing()
    (rid,) = mailing.ids(SEED_BODY)
    assert len(mailing.mailed()) == 1

    assert mailing.ids(SEED_BODY) == [rid]

    sends = mailing.mailed()
    assert [send["rid"] for send in sends] == [rid, rid]
    assert len({send["send_id"] for send in sends}) == 2


def test_every_verb_and_version_means_the_same(stack: Stack) -> None:
    mailing = stack.mailing()
    body = b'[{"email":"verbs@example.com","context":1}]'

    answers = [
        mailing.call(body, verb=verb, path=f"/{version}/mailing/trigger")
        for version in ("v3.7", "v3.5", "v1.0")
        for verb in ("PUT", "POST")
    ]

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert len(mailing.mailed()) == 1


def test_a_known_recipient_is_triggered_in_every_form(stack: Stack) -> None:
    mailing = stack.mailing()
    (rid,) = mailing.ids('{"email":"forms@example.com","firstName":"John","context":1}')

    assert mailing.ids(f"{rid}") == [rid]
    assert mailing.ids(f'[{{"rid":{rid},"context":2}}]') == [rid]
    assert mailing.ids(f'{{"rid":{rid},"email":"FORMS@example.com","context":3}}') == [rid]

    sends = mailing.mailed()
    assert sorted(send["context"] for send in sends) == [b"", b"1", b"2", b"3"]
    assert {(send["rid"], send["email"], send["firstName"]) for send in sends} == {
        (rid, "forms@example.com", "John")
    }


def test_ids_come_in_the_order_of_the_request(stack: Stack) -> None:
    mailing = stack.mailing()
    entries = [f'{{"email":"order{number}@example.com"}}' for number in range(200)]
    ids = mailing.ids(f"[{','.join(entries)}]")
    assert len(set(ids)) == 200

    assert mailing.ids(f"[{','.join(reversed(entries))}]") == ids[::-1]
    assert mailing.counters()["duplicates"] == 200


def test_one_bad_recipient_does_not_keep_the_good_ones_out(stack: Stack) -> None:
    mailing = stack.mailing()
    body = f"""[
        {{"email":"first@example.com"}},
        {{"rid":{UNKNOWN_RID}}},
        {{"email":"nobody"}},
        {{"email":"fields@example.com","shoeSize":44}},
        {{"email":"sms@example.com","smsContact":"call me"}},
        {{"email":"last@example.com"}}
    ]"""

    answer = mailing.call(body)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    first, *bad, last = problem["ids"]
    assert bad == [None] * 4
    assert [(error["index"], error["field"], error["code"]) for error in problem["errors"]] == [
        (1, "rid", "UNKNOWN_RECIPIENT"),
        (2, "email", "INVALID_EMAIL"),
        (3, "shoeSize", "UNKNOWN_FIELD"),
        (4, "smsContact", "INVALID_VALUE"),
    ]
    assert not any(error["retriable"] for error in problem["errors"])
    assert all(error["detail"] for error in problem["errors"])
    assert {(send["rid"], send["email"]) for send in mailing.mailed()} == {
        (first, "first@example.com"),
        (last, "last@example.com"),
    }


def test_an_empty_array_adds_nobody(stack: Stack) -> None:
    mailing = stack.mailing()

    answer = mailing.call("[]")

    assert (answer.status_code, answer.json()) == (200, [])
    assert mailing.mailed() == []


@pytest.mark.parametrize("body", ["[]", '[{"email":"a@example.com"}]', '[{"email":"no"}]', "7"])
def test_an_unknown_mailing_is_no_such_mailing(stack: Stack, body: str) -> None:
    answer = stack.http.put("/v3.7/mailing/trigger?orgid=2&mid=99", content=body)

    assert (answer.status_code, answer.json()["code"]) == (404, "INVALID_MAILING")
    assert "ids" not in answer.json()


def test_a_mailing_of_another_organisation_is_unknown(stack: Stack) -> None:
    mailing = stack.mailing()

    answer = stack.http.put(
        f"/v3.7/mailing/trigger?orgid=3&mid={mailing.mid}", content='[{"email":"a@example.com"}]'
    )

    assert (answer.status_code, answer.json()["code"]) == (404, "INVALID_MAILING")


@pytest.mark.parametrize("body", ['[{"email":"a@example.com"},{"email":"b@example.com"}]', "7"])
def test_a_mailing_of_another_type_takes_no_triggers(stack: Stack, body: str) -> None:
    mailing = stack.mailing(type="newsletter")

    answer = mailing.call(body)

    assert (answer.status_code, answer.json()["code"]) == (409, "NOT_TRIGGERED")
    assert "ids" not in answer.json()
