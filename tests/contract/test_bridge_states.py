"""Mailings suspended, resumed, cancelled and finished over HTTP, and who waits in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from producers.errors import NotAcknowledged
from schemas.records import MailingPhase
from tests.support.bridge import Bridge, mailing, running

if TYPE_CHECKING:
    from collections.abc import Iterator

QUERY = "orgid=2&mid=1"


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    with running() as started:
        started.client.known |= {(2, mid): mailing(2, mid) for mid in (5, 7)}
        yield started


@pytest.mark.parametrize("version", ["v3.7", "v3.5"])
def test_a_mailing_is_suspended_and_resumed_and_answered_as_it_is(
    bridge: Bridge, version: str
) -> None:
    path = f"/{version}/mailing/suspend?{QUERY}"
    for suspend, state in (("true", "suspended"), ("true", "suspended"), ("false", "active")):
        answer = bridge.http.put(f"{path}&suspend={suspend}")

        assert (answer.status_code, answer.json()["state"]) == (200, state)
        read = bridge.http.get(f"/v3.7/mailing?{QUERY}").json()
        assert answer.json() | {"asOf": read["asOf"]} == read


@pytest.mark.parametrize("version", ["v3.7", "v3.5"])
@pytest.mark.parametrize(("path", "state"), [("cancel", "cancelled"), ("finish", "finished")])
def test_several_mailings_are_closed_by_one_call(
    bridge: Bridge, version: str, path: str, state: str
) -> None:
    answer = bridge.http.put(f"/{version}/mailing/{path}?orgid=2&mid=7,1,5,1")

    assert answer.status_code == 200
    assert answer.json() == [
        {"mid": mid, "status": 200, "state": state, "pending": 0} for mid in (7, 1, 5)
    ]
    assert {view.state.lower() for view in bridge.client.known.values()} == {state}


def test_what_stops_one_mailing_stops_no_other(bridge: Bridge) -> None:
    bridge.http.put("/v3.7/mailing/finish?orgid=2&mid=5")

    answer = bridge.http.put("/v3.7/mailing/cancel?orgid=2&mid=9,5,1")

    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (409, "WRONG_STATE")
    assert answer.json()["detail"].startswith("mailing 5: ")
    became = answer.json()["mailings"]
    assert [(each["mid"], each["status"], each.get("code")) for each in became] == [
        (9, 404, "INVALID_MAILING"),
        (5, 409, "WRONG_STATE"),
        (1, 200, None),
    ]
    assert [each.get("state") for each in became] == [None, "finished", "cancelled"]
    assert bridge.client.known[2, 1].state is MailingPhase.CANCELLED


def test_a_step_that_is_not_legal_is_a_409_with_the_state(bridge: Bridge) -> None:
    bridge.http.put(f"/v3.7/mailing/cancel?{QUERY}")

    for path in ("suspend?suspend=true&", "suspend?suspend=false&", "finish?"):
        answer = bridge.http.put(f"/v3.7/mailing/{path}{QUERY}")

        assert (answer.status_code, answer.json()["code"]) == (409, "WRONG_STATE")
        assert answer.json()["state"] == "cancelled"


@pytest.mark.parametrize("path", ["suspend?suspend=true&", "cancel?", "finish?", "pending?"])
def test_an_unknown_mailing_is_a_404(bridge: Bridge, path: str) -> None:
    verb = "GET" if path == "pending?" else "PUT"

    answer = bridge.http.request(verb, f"/v3.7/mailing/{path}orgid=2&mid=9")

    assert (answer.status_code, answer.json()["code"]) == (404, "INVALID_MAILING")


@pytest.mark.parametrize("path", ["suspend?suspend=true&", "cancel?", "finish?", "pending?"])
def test_what_no_partition_answers_in_time_is_a_504(bridge: Bridge, path: str) -> None:
    bridge.client.error = NotAcknowledged(answered=3, expected=4)
    verb = "GET" if path == "pending?" else "PUT"

    answer = bridge.http.request(verb, f"/v3.7/mailing/{path}{QUERY}")

    assert (answer.status_code, answer.json()["code"]) == (504, "NOT_ACKNOWLEDGED")


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("suspend?orgid=2&mid=1", "suspend is missing"),
        ("suspend?orgid=2&mid=1&suspend=yes", "suspend is true or false"),
        ("suspend?orgid=2&mid=1&suspend=True", "suspend is true or false"),
        ("suspend?orgid=2&suspend=true", "mid is missing"),
        ("suspend?orgid=2&mid=1,2&suspend=true", "mid is a whole number from 1 to"),
        ("suspend?orgid=2&mid=1&suspend=true&suspend=true", "suspend is given twice"),
        ("suspend?orgid=2&mid=1&suspend=true&format=json", "unknown parameter 'format'"),
        ("cancel?mid=1", "orgid is missing"),
        ("cancel?orgid=2", "mid is missing"),
        ("cancel?orgid=2&mid=", "mid is a whole number from 1 to"),
        ("cancel?orgid=2&mid=1,", "mid is a whole number from 1 to"),
        ("cancel?orgid=2&mid=1,x", "mid is a whole number from 1 to"),
        ("cancel?orgid=2&mid=1,0", "mid is a whole number from 1 to"),
        ("cancel?orgid=2&mid=" + ",".join(map(str, range(1, 102))), "at most 100 mailings"),
        ("finish?orgid=0&mid=1", "orgid is a whole number from 1 to"),
        ("pending?orgid=2&mid=1&limit=0", "limit is a whole number from 1 to 1000"),
        ("pending?orgid=2&mid=1&limit=1001", "limit is a whole number from 1 to 1000"),
        ("pending?orgid=2&mid=1&limit=x", "limit is a whole number from 1 to 1000"),
        ("pending?orgid=2&mid=1&after=5", "after is the `next` of the page before"),
        ("pending?orgid=2&mid=1&after=1024:5", "after is the `next` of the page before"),
        ("pending?orgid=2&mid=1&after=0:-1", "after is the `next` of the page before"),
    ],
)
def test_a_wrong_parameter_is_a_400_that_names_it(bridge: Bridge, path: str, sentence: str) -> None:
    verb = "GET" if path.startswith("pending") else "PUT"

    answer = bridge.http.request(verb, f"/v3.7/mailing/{path}")

    assert answer.status_code == 400
    assert sentence in answer.json()["detail"]
    assert {view.state for view in bridge.client.known.values()} == {MailingPhase.ACTIVE}


@pytest.mark.parametrize(
    ("verb", "path", "allow"),
    [
        ("POST", "suspend", "PUT, OPTIONS"),
        ("GET", "cancel", "PUT, OPTIONS"),
        ("GET", "finish", "PUT, OPTIONS"),
        ("PUT", "pending", "GET, OPTIONS"),
    ],
)
def test_another_verb_is_a_405_that_says_which(
    bridge: Bridge, verb: str, path: str, allow: str
) -> None:
    answer = bridge.http.request(verb, f"/v3.7/mailing/{path}?{QUERY}")

    assert (answer.status_code, answer.headers["allow"]) == (405, allow)


def test_who_waits_is_answered_page_by_page(bridge: Bridge) -> None:
    bridge.client.rids |= {(2, f"{rid}"): rid for rid in (1024, 2048, 3072)}

    first = bridge.http.get(f"/v3.7/mailing/pending?{QUERY}&limit=2").json()
    second = bridge.http.get(f"/v3.7/mailing/pending?{QUERY}&after={first['next']}").json()

    assert first == {"rids": [1024, 2048], "next": "0:1"}
    assert second == {"rids": [3072], "next": None}


def test_a_definition_says_channels_unknown_recipients_a_cap_and_its_first_state(
    bridge: Bridge,
) -> None:
    given = {"channels": ["sms", "email", "sms"], "unknownRecipients": "Reject", "state": "created"}
    given |= {"hourlyCap": 3}

    answer = bridge.http.put("/v3.7/mailing?orgid=2&mid=8", json={"name": "Example"} | given)

    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert shown["channels"] == ["email", "sms"]
    assert (shown["unknownRecipients"], shown["state"]) == ("reject", "created")
    assert shown["hourlyCap"] == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("channels", []),
        ("channels", "email"),
        ("channels", ["fax"]),
        ("channels", [1]),
        ("unknownRecipients", "maybe"),
        ("unknownRecipients", True),
        ("hourlyCap", -1),
        ("hourlyCap", 1001),
        ("hourlyCap", True),
        ("hourlyCap", "3"),
        ("state", "suspended"),
        ("state", "cancelled"),
    ],
)
def test_a_wrong_choice_in_a_definition_is_refused_by_field(
    bridge: Bridge, field: str, value: object
) -> None:
    answer = bridge.http.put("/v3.7/mailing?orgid=2&mid=8", json={"name": "Example", field: value})

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert (2, 8) not in bridge.client.known
