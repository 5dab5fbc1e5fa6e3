"""Calls whose answers are asked for later, through real HTTP."""

from __future__ import annotations

import pytest

from producers.errors import LogUnavailable, Overloaded
from producers.recall import Recalled
from schemas.records import Outcome
from tests.support.bridge import GOOD, TRIGGER, Bridge, StandIn, running

LATER = {"Prefer": "respond-async"}
ADDRESS = "/v3.7/mailing/trigger/2-0123456789abcdef0.3.70.2.3"


def test_a_caller_who_does_not_wait_is_told_where_the_answer_will_be(bridge: Bridge) -> None:
    body = b'[{"email":"a@example.com"},{"email":"nonsense"},{"email":"b@example.com"}]'
    answer = bridge.http.put(TRIGGER, content=body, headers=LATER)

    told = answer.json()
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async")
    assert answer.headers["location"] == told["location"] == ADDRESS
    assert (told["expected"], told["acknowledged"]) == (2, 0)
    assert [(error["index"], error["code"]) for error in told["errors"]] == [(1, "INVALID_EMAIL")]


@pytest.mark.parametrize("body", [b"[]", b'[{"email":"nonsense"}]'])
def test_nobody_waits_for_what_is_not_in_the_log(bridge: Bridge, body: bytes) -> None:
    answer = bridge.http.put(TRIGGER, content=body, headers=LATER)

    assert answer.status_code == bridge.http.put(TRIGGER, content=body).status_code
    assert "preference-applied" not in answer.headers


@pytest.mark.parametrize(
    ("error", "status"),
    [(LogUnavailable("down", produced=True), 503), (Overloaded("full"), 429)],
    ids=["log", "overload"],
)
def test_what_may_not_be_in_the_log_is_not_accepted(error: Exception, status: int) -> None:
    with running(StandIn(error=error)) as bridge:
        answer = bridge.http.put(TRIGGER, content=GOOD, headers=LATER)

    assert answer.status_code == status


def test_a_late_answer_has_an_address_too() -> None:
    with running(StandIn(late=frozenset({1}))) as bridge:
        answer = bridge.http.put(TRIGGER, content=b"[1024,2048,0]")

    assert answer.status_code == 504
    assert answer.headers["location"] == answer.json()["location"] == ADDRESS


def test_the_answer_is_the_one_of_the_call(bridge: Bridge) -> None:
    bridge.client.found = Recalled({2: (Outcome.DUPLICATE, 9), 0: (Outcome.CREATED, 7)})
    whole = ADDRESS.replace(".2.3", ".2.2")
    told = bridge.http.get(ADDRESS)
    bridge.client.found = Recalled({1: (Outcome.DUPLICATE, 9), 0: (Outcome.CREATED, 7)})
    plain = bridge.http.get(whole)
    table = bridge.http.get(f"{whole}?format=csv", headers={"Prefer": "return=representation"})

    assert (plain.status_code, plain.json()) == (200, [7, 9])
    assert table.text.splitlines()[1:] == ["0,7,created,", "1,9,duplicate,"]
    assert (told.status_code, told.json()["ids"]) == (422, [7, None, 9])
    assert [(error["index"], error["code"]) for error in told.json()["errors"]] == [(1, "REFUSED")]


def test_an_unknown_mailing_is_told_later(bridge: Bridge) -> None:
    refused = (Outcome.UNKNOWN_MAILING, 0)
    bridge.client.found = Recalled({0: refused, 1: refused})
    answer = bridge.http.get(ADDRESS)

    assert (answer.status_code, answer.json()["code"]) == (404, "INVALID_MAILING")


def test_an_answer_that_is_not_complete_is_a_202_that_goes_on_where_it_was(bridge: Bridge) -> None:
    bridge.client.found = Recalled({0: (Outcome.CREATED, 7)}, next_offset=99)
    answer = bridge.http.get(ADDRESS)

    assert (answer.status_code, answer.json()["acknowledged"]) == (202, 1)
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["location"] == ADDRESS.replace(".70.", ".99.")
    bridge.http.get(answer.headers["location"])
    assert [receipt.place.offset for receipt in bridge.client.asked] == [70, 99]


def test_an_answer_that_is_deleted_is_gone(bridge: Bridge) -> None:
    bridge.client.found = Recalled({0: (Outcome.CREATED, 7)}, gone=True)
    part = bridge.http.get(ADDRESS)
    bridge.client.found = Recalled({0: (Outcome.CREATED, 7), 1: (Outcome.CREATED, 8)}, gone=True)
    whole = bridge.http.get(ADDRESS.replace(".2.3", ".2.2"))

    assert (part.status_code, part.json()["code"]) == (410, "ANSWER_EXPIRED")
    assert (whole.status_code, whole.json()) == (200, [7, 8])


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v3.7/mailing/trigger/nonsense", 404, "UNKNOWN_CALL"),
        ("/v3.7/mailing/trigger/", 404, "NOT_FOUND"),
        (ADDRESS + "/", 404, "NOT_FOUND"),
        (ADDRESS + "?orgid=2", 400, "UNKNOWN_PARAMETER"),
        (ADDRESS + "?format=yaml", 400, "INVALID_PARAMETER"),
    ],
)
def test_what_is_no_address_is_told(bridge: Bridge, path: str, status: int, code: str) -> None:
    answer = bridge.http.get(path)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert bridge.client.asked == []


def test_an_address_beyond_the_acknowledgements_is_nobodys(bridge: Bridge) -> None:
    bridge.client.found = Recalled(unknown=True)

    assert bridge.http.get(ADDRESS).json()["code"] == "UNKNOWN_CALL"
