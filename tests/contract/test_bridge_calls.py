"""What a caller is answered, through real HTTP."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from producers.errors import (
    ControlRefused,
    KeyReused,
    LogChanged,
    LogUnavailable,
    NotAcknowledged,
    Overloaded,
)
from schemas.moments import iso_text
from schemas.records import ControlOutcome
from tests.support.bridge import GOOD, SEED_BODY, TRIGGER, Bridge, StandIn, running

VERBS = ("PUT", "POST")
PATHS = ("/v3.7/mailing/trigger", "/v3.5/mailing/trigger", "/v1.0/mailing/trigger")
QUERY = "?orgid=2&mid=1"


def test_the_seeds_own_call_is_answered_with_one_id(bridge: Bridge) -> None:
    first = bridge.http.put(
        TRIGGER, content=SEED_BODY, headers={"Content-Type": "application/json"}
    )
    again = bridge.http.put(TRIGGER, content=SEED_BODY)

    assert (first.status_code, first.headers["content-type"]) == (200, "application/json")
    assert first.json() == again.json() == [1024]
    (entry,) = bridge.client.calls[0].entries
    assert (entry.email, entry.context) == ("user@domain.com", b'"XYZ-123"')


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("path", PATHS)
def test_every_version_and_verb_answers_the_same(bridge: Bridge, verb: str, path: str) -> None:
    answer = bridge.http.request(verb, path + QUERY, content=GOOD)

    assert (answer.status_code, answer.json()) == (200, [1024])


@pytest.mark.parametrize(
    ("suffix", "query", "kind", "text"),
    [
        (".json", "", "application/json", "[1024]"),
        ("", "&format=json", "application/json", "[1024]"),
        (".xml", "", "application/xml", "<rid>1024</rid>"),
        ("", "&format=xml", "application/xml", "<rid>1024</rid>"),
        (".csv", "&format=csv", "text/csv", "rid\r\n1024\r\n"),
    ],
)
@pytest.mark.parametrize("path", PATHS)
def test_ids_come_in_the_format_asked_for(
    bridge: Bridge, path: str, suffix: str, query: str, kind: str, text: str
) -> None:
    answer = bridge.http.put(f"{path}{suffix}{QUERY}{query}", content=GOOD)

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kind)
    assert text in answer.text


def test_a_form_is_one_recipient(bridge: Bridge) -> None:
    answer = bridge.http.post(TRIGGER, data={"email": "form@example.com", "context.header": "XYZ"})

    assert (answer.status_code, answer.json()) == (200, [1024])
    assert bridge.client.calls[0].entries[0].context == b'{"header":"XYZ"}'


def test_ids_come_in_the_order_of_the_request(bridge: Bridge) -> None:
    bodies = [f'{{"email":"user{number}@example.com"}}' for number in range(3)]
    first = bridge.http.put(TRIGGER, content=f"[{','.join(bodies)}]").json()
    turned = bridge.http.put(TRIGGER, content=f"[{','.join(reversed(bodies))}]").json()

    assert turned == list(reversed(first))


def test_an_empty_list_adds_nobody(bridge: Bridge) -> None:
    known = bridge.http.put(TRIGGER, content=b"[]")
    unknown = bridge.http.put("/v3.7/mailing/trigger?orgid=2&mid=9", content=b"[]")

    assert (known.status_code, known.json()) == (200, [])
    assert (unknown.status_code, unknown.json()["code"]) == (404, "INVALID_MAILING")
    assert bridge.client.calls == []


def test_one_bad_recipient_is_named_and_the_good_ones_are_added(bridge: Bridge) -> None:
    body = b'[{"email":"a@example.com"},{"email":"nonsense"},77,{"email":"b@example.com"}]'
    answer = bridge.http.put(TRIGGER, content=body)

    problem = answer.json()
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["type"], problem["status"]) == ("about:blank", 422)
    assert problem["title"] == "Unprocessable Content"
    assert problem["ids"] == [1024, None, None, 2048]
    assert [
        (error["index"], error["field"], error["retriable"]) for error in problem["errors"]
    ] == [
        (1, "email", False),
        (2, "rid", False),
    ]
    assert [error["code"] for error in problem["errors"]] == ["INVALID_EMAIL", "UNKNOWN_RECIPIENT"]


@pytest.mark.parametrize("body", [b"77", b"[77]", b'{"rid":77}'])
def test_one_entry_with_an_unknown_rid_is_a_404(bridge: Bridge, body: bytes) -> None:
    answer = bridge.http.put(TRIGGER, content=body)

    assert (answer.status_code, answer.json()["code"]) == (404, "UNKNOWN_RECIPIENT")
    assert answer.json()["ids"] == [None]


@pytest.mark.parametrize("body", [GOOD, b'[{"email":"nonsense"}]', b"[0]"])
def test_an_unknown_mailing_comes_before_what_is_wrong_with_entries(
    bridge: Bridge, body: bytes
) -> None:
    answer = bridge.http.put("/v3.7/mailing/trigger?orgid=2&mid=9", content=body)

    assert answer.status_code == 404
    assert answer.json()["code"] == "INVALID_MAILING"
    assert answer.json()["detail"] == "no such mailing"


def test_a_key_travels_with_the_call_and_what_is_none_is_refused(bridge: Bridge) -> None:
    for key in ('"key 1"', "key-2"):
        bridge.http.put(TRIGGER, content=GOOD, headers={"Idempotency-Key": key})
    bad = bridge.http.put(TRIGGER, content=GOOD, headers={"Idempotency-Key": '""'})

    assert bridge.client.keys == ["key 1", "key-2"]
    assert (bad.status_code, bad.json()["code"]) == (400, "INVALID_KEY")


PREFER_OUTCOMES = {"Prefer": "return=representation"}


def test_a_caller_who_prefers_it_is_told_what_became_of_each_entry(bridge: Bridge) -> None:
    answer = bridge.http.put(TRIGGER, content=GOOD, headers=PREFER_OUTCOMES)
    table = bridge.http.put(f"{TRIGGER}&format=csv", content=GOOD, headers=PREFER_OUTCOMES)

    assert (answer.status_code, answer.headers["preference-applied"]) == (
        200,
        "return=representation",
    )
    assert answer.json() == [{"index": 0, "rid": 1024, "outcome": "created", "reason": None}]
    assert table.text == "index,rid,outcome,reason\r\n0,1024,created,\r\n"


def test_a_refusal_keeps_its_status_and_tells_of_each_entry_beside(bridge: Bridge) -> None:
    body = b'[{"email":"a@example.com"},77]'
    answer = bridge.http.put(TRIGGER, content=body, headers=PREFER_OUTCOMES)

    assert (answer.status_code, answer.json()["ids"]) == (422, [1024, None])
    assert answer.headers["preference-applied"] == "return=representation"
    assert [(row["outcome"], row["reason"]) for row in answer.json()["outcomes"]] == [
        ("created", None),
        ("rejected", "UNKNOWN_RECIPIENT"),
    ]
    assert "outcomes" not in bridge.http.put(TRIGGER, content=body).json()


def test_what_became_of_many_entries_is_told_as_of_few(bridge: Bridge) -> None:
    body = b"[" + b",".join(b'{"email":"u%d@example.com"}' % n for n in range(3000)) + b"]"
    answer = bridge.http.put(TRIGGER, content=body, headers=PREFER_OUTCOMES)

    assert answer.status_code == 200
    assert [row["index"] for row in answer.json()] == [*range(3000)]


def test_late_acknowledgements_are_a_504_that_tells_what_is_known() -> None:
    with running(StandIn(late=frozenset({1}))) as bridge:
        answer = bridge.http.put(
            TRIGGER, content=b'[{"email":"a@example.com"},{"email":"b@example.com"}]'
        )

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (504, "NOT_ACKNOWLEDGED")
    assert problem["ids"] == [1024, None]
    assert [(error["index"], error["retriable"]) for error in problem["errors"]] == [(1, True)]


@pytest.mark.parametrize(
    ("error", "status", "code", "retry"),
    [
        (LogUnavailable("down", produced=False), 503, "LOG_UNAVAILABLE", True),
        (LogUnavailable("down", produced=True), 503, "LOG_UNAVAILABLE", True),
        (LogChanged("recreated"), 503, "LOG_CHANGED", True),
        (Overloaded("full"), 429, "TOO_MANY_REQUESTS", True),
        (KeyReused("another call's"), 422, "KEY_REUSED", False),
        (ControlRefused(ControlOutcome.WRONG_STATE, orgid=2, mid=1), 409, "WRONG_STATE", False),
        (NotAcknowledged(answered=1, expected=4), 504, "NOT_ACKNOWLEDGED", False),
        (RuntimeError("secret@example.com"), 500, "INTERNAL_ERROR", False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_what_fails_behind_the_bridge_has_its_own_status(
    error: Exception, status: int, code: str, retry: bool
) -> None:
    with running(StandIn(error=error)) as bridge:
        answer = bridge.http.put(TRIGGER, content=GOOD)
        bridge.client.error = None
        bridge.good_call()

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert ("retry-after" in answer.headers) is retry
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("verb", "path", "allow"),
    [
        ("GET", "/v3.7/mailing/trigger", "PUT, POST, OPTIONS"),
        ("DELETE", "/v1.0/mailing/trigger.xml", "PUT, POST, OPTIONS"),
        ("HEAD", "/v3.7/mailing/trigger", "PUT, POST, OPTIONS"),
        ("POST", "/v3.7/mailing", "GET, PUT, OPTIONS"),
        ("HEAD", "/v3.7/mailing", "GET, PUT, OPTIONS"),
        ("GET", "/v3.7/mailing/invoke", "POST, OPTIONS"),
        ("PUT", "/healthz", "GET, OPTIONS"),
    ],
)
def test_another_verb_is_a_405_that_says_which_there_are(
    bridge: Bridge, verb: str, path: str, allow: str
) -> None:
    answer = bridge.http.request(verb, path)

    assert (answer.status_code, answer.headers["allow"]) == (405, allow)


@pytest.mark.parametrize("path", ["/v3.7/mailing/trigger", "/v3.7/mailing", "/healthz"])
def test_options_lists_the_verbs(bridge: Bridge, path: str) -> None:
    answer = bridge.http.options(path)

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["allow"].endswith("OPTIONS")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v3.6/mailing/trigger",
        "/v3.7/mailing/trigger/",
        "/v3.7/mailing/trigger.yaml",
        "/v3.7/mailing/Trigger",
        "/docs/../openapi.json/x",
        "/docs/swagger-ui.js.map",
    ],
)
def test_another_path_is_a_404(bridge: Bridge, path: str) -> None:
    answer = bridge.http.put(path + QUERY, content=GOOD)

    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("", "orgid is missing"),
        ("?orgid=2", "mid is missing"),
        ("?orgid=0&mid=1", "orgid is a whole number from 1 to 9007199254740991"),
        ("?orgid=2&mid=-1", "mid is a whole number from 1 to 9007199254740991"),
        ("?orgid=2&mid=9007199254740992", "mid is a whole number from 1 to 9007199254740991"),
        ("?orgid=2&mid=1&mid=1", "mid is given twice"),
        ("?orgid=2&mid=1&dryrun=1", "dryrun is true or false"),
        ("?orgid=2&mid=1&dry_run=true", "unknown parameter 'dry_run'"),
        ("?orgid=2&mid=1&format=yaml", "format is one of json, xml, csv"),
    ],
)
def test_a_wrong_parameter_is_a_400_that_names_it(
    bridge: Bridge, query: str, sentence: str
) -> None:
    answer = bridge.http.put(f"/v3.7/mailing/trigger{query}", content=GOOD)

    assert (answer.status_code, answer.json()["detail"]) == (400, sentence)


def test_a_mailing_is_defined_read_and_invoked(bridge: Bridge) -> None:
    began = iso_text(datetime.now(UTC))
    body = b'{type:"api-triggered",name:"Example Mailing",dedup:"recipient",interval:60,}'
    defined = bridge.http.put("/v3.7/mailing?orgid=2&mid=7", content=body)
    read = bridge.http.get("/v3.7/mailing?orgid=2&mid=7")
    bridge.http.put("/v3.7/mailing/trigger?orgid=2&mid=7", content=GOOD)
    invoked = bridge.http.post("/v3.7/mailing/invoke?orgid=2&mid=7")

    assert defined.status_code == read.status_code == invoked.status_code == 200
    as_of = read.json()["asOf"]
    assert defined.json() | {"asOf": as_of} == read.json()
    assert began <= defined.json()["asOf"] <= as_of <= iso_text(datetime.now(UTC))
    assert read.json()["name"] == "Example Mailing"
    assert (read.json()["dedup"], read.json()["interval"]) == ("recipient", 60)
    assert (read.json()["state"], read.json()["pending"]) == ("active", 0)
    assert invoked.json() == {"revision": 2, "messages": 1}


def test_an_interval_that_a_program_wrote_as_60_0_is_not_refused(bridge: Bridge) -> None:
    defined = bridge.http.put(
        "/v3.7/mailing?orgid=2&mid=7", content=b'{"name":"a","interval":60.0}'
    )

    assert (defined.status_code, defined.json().get("interval")) == (200, 60)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{}", 422, "name"),
        (b"[]", 422, None),
        (b'"name"', 422, None),
        (b'{"name":""}', 422, "name"),
        (b'{"name":"a\\u0000b"}', 422, "name"),
        (b'{"name":"a","name":"b"}', 422, "name"),
        (b'{"name":"a","NAME":"b"}', 422, "NAME"),
        (b'{"name":"a","colour":"red"}', 422, "colour"),
        (b'{"name":"a","dedup":"sometimes"}', 422, "dedup"),
        (b'{"name":"a","interval":-1}', 422, "interval"),
        (b'{"name":"a","interval":true}', 422, "interval"),
        (b'{"name":"a","interval":0.5}', 422, "interval"),
        (b'{"name":"a"', 400, None),
        (b"\xff", 400, None),
        (b"", 400, None),
    ],
)
def test_a_wrong_definition_is_refused_by_field(
    bridge: Bridge, body: bytes, status: int, field: str | None
) -> None:
    answer = bridge.http.put("/v3.7/mailing?orgid=2&mid=7", content=body)

    assert answer.status_code == status
    errors = answer.json().get("errors", [{"field": None}])
    assert [error["field"] for error in errors] == [field]
    assert (2, 7) not in bridge.client.known


@pytest.mark.parametrize(
    ("verb", "path"), [("GET", "/v3.7/mailing"), ("POST", "/v3.7/mailing/invoke")]
)
def test_an_unknown_mailing_is_a_404(bridge: Bridge, verb: str, path: str) -> None:
    answer = bridge.http.request(verb, f"{path}?orgid=2&mid=9")

    assert (answer.status_code, answer.json()["code"]) == (404, "INVALID_MAILING")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost:8080"}, 200),
        ({}, 200),
    ],
    ids=str,
)
def test_a_page_of_another_site_cannot_trigger_anything(
    bridge: Bridge, headers: dict[str, str], status: int
) -> None:
    answer = bridge.http.post(TRIGGER, data={"email": "form@example.com"}, headers=headers)

    assert answer.status_code == status
    assert len(bridge.client.calls) == (status == 200)


def test_a_user_and_password_nobody_asked_for_are_ignored(bridge: Bridge) -> None:
    authorization = "Basic " + base64.b64encode(b"demo:demo").decode()
    answer = bridge.http.put(TRIGGER, content=GOOD, headers={"Authorization": authorization})

    assert answer.status_code == 200
