"""Dry runs through real HTTP, before a stand-in for the log."""

from __future__ import annotations

import pytest

from producers.contract.errors import Code, ContractError
from producers.errors import LogUnavailable
from tests.support.bridge import GOOD, TRIGGER, Bridge, StandIn, running

DRY_RUN = f"{TRIGGER}&dryrun=true"


def test_a_dry_run_tells_what_would_become_of_each_entry(bridge: Bridge) -> None:
    bridge.good_call()
    body = b'[{"email":"good@example.com"},{"email":"new@example.com"}]'
    told = bridge.http.put(DRY_RUN, content=body)
    table = bridge.http.post(f"{DRY_RUN}&format=csv", content=body)

    assert (told.status_code, told.headers["content-type"]) == (200, "application/json")
    assert told.json() == [
        {"index": 0, "rid": 1024, "outcome": "created", "reason": None},
        {"index": 1, "rid": None, "outcome": "created", "reason": None},
    ]
    assert table.text == "index,rid,outcome,reason\r\n0,1024,created,\r\n1,,created,\r\n"
    assert (len(bridge.client.tried), len(bridge.client.calls)) == (2, 1)


def test_a_refusal_is_the_calls_own_and_tells_of_each_entry(bridge: Bridge) -> None:
    body = b'[{"email":"new@example.com"},77,{"email":"nonsense"}]'
    answer = bridge.http.put(DRY_RUN, content=body)

    problem = answer.json()
    assert (answer.status_code, problem["ids"]) == (422, [None, None, None])
    assert [(row["outcome"], row["reason"]) for row in problem["outcomes"]] == [
        ("created", None),
        ("rejected", "UNKNOWN_RECIPIENT"),
        ("rejected", "INVALID_EMAIL"),
    ]
    real = bridge.http.put(TRIGGER, content=body).json()
    assert (problem["code"], problem["errors"]) == (real["code"], real["errors"])


@pytest.mark.parametrize("body", [b"[]", GOOD])
def test_a_mailing_that_takes_no_triggers_is_the_calls_error(bridge: Bridge, body: bytes) -> None:
    answer = bridge.http.put("/v3.7/mailing/trigger?orgid=2&mid=9&dryrun=true", content=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "INVALID_MAILING")


def test_what_a_caller_prefers_or_names_a_call_by_changes_nothing(bridge: Bridge) -> None:
    headers = {"Prefer": "respond-async", "Idempotency-Key": '"key"'}
    told = bridge.http.put(DRY_RUN, content=GOOD, headers=headers)
    preferred = bridge.http.put(DRY_RUN, content=GOOD, headers={"Prefer": "return=representation"})
    bad_key = bridge.http.put(DRY_RUN, content=GOOD, headers={"Idempotency-Key": '""'})

    assert (told.status_code, told.json()) == (200, preferred.json())
    assert "preference-applied" not in told.headers
    assert preferred.headers["preference-applied"] == "return=representation"
    assert (bad_key.status_code, bad_key.json()["code"]) == (400, "INVALID_KEY")
    assert bridge.client.keys == []


def test_dryrun_false_is_a_call(bridge: Bridge) -> None:
    answer = bridge.http.put(f"{TRIGGER}&dryrun=false", content=GOOD)
    assert (answer.status_code, answer.json()) == (200, [1024])


def test_a_dry_run_is_counted_nowhere(bridge: Bridge) -> None:
    def entries() -> list[str]:
        lines = bridge.http.get("/metrics").text.splitlines()
        return [line for line in lines if line.startswith("mailing_trigger_entries")]

    before = entries()
    assert before
    bridge.http.put(DRY_RUN, content=GOOD)
    assert entries() == before


def test_a_late_dry_run_has_no_address_for_it_can_be_made_again() -> None:
    with running(StandIn(late=frozenset({1}))) as bridge:
        answer = bridge.http.put(DRY_RUN, content=b'[{"email":"a@example.com"},77]')

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (504, "NOT_ACKNOWLEDGED")
    assert [row["outcome"] for row in problem["outcomes"]] == ["created", "unacknowledged"]
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (LogUnavailable("down", produced=False), 503, "LOG_UNAVAILABLE"),
        (ContractError(413, Code.DRY_RUN_TOO_LARGE, "too large"), 413, "DRY_RUN_TOO_LARGE"),
    ],
    ids=["log", "size"],
)
def test_what_cannot_be_asked_has_its_own_status(error: Exception, status: int, code: str) -> None:
    with running(StandIn(error=error)) as bridge:
        answer = bridge.http.put(DRY_RUN, content=GOOD)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
