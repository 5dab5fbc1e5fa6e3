"""What a caller is answered who reads or changes a recipient, through real HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from producers.contract.changes import Who
from producers.contract.errors import Code, EntryError
from producers.errors import NotAcknowledged, RecipientRefused
from producers.recipients import RecipientView
from schemas.records import Status
from tests.support.bridge import Bridge, StandIn, running

PATH = "/v3.7/recipient"
BY_RID = f"{PATH}?orgid=2&rid=1024"
VIEW = RecipientView(
    orgid=2,
    rid=1024,
    status=Status.SUBSCRIBED,
    email="Ann@example.com",
    profile={"firstName": "Ann", "profileData": {"n": "1.10", "t": '"x"', "odd": "{"}},
    created=datetime(2026, 11, 26, 8, 0, 0, 123_000, tzinfo=UTC),
    modified=None,
)
DOCUMENT = {
    "rid": 1024,
    "status": 1,
    "email": "Ann@example.com",
    "localPart": "Ann",
    "domainName": "example.com",
    "firstName": "Ann",
    "lastName": None,
    "gender": None,
    "birthDate": None,
    "address1": None,
    "address2": None,
    "city": None,
    "region": None,
    "postalCode": None,
    "countryCode": None,
    "languageCode": None,
    "phone1": None,
    "phone2": None,
    "contentType": 1,
    "smsContact": None,
    "smsSubscribed": True,
    "profileData": {"n": 1.1, "t": "x", "odd": "{"},
    "createdDate": "2026-11-26T08:00:00.123Z",
    "modifiedDate": "2026-11-26T08:00:00.123Z",
}


@pytest.fixture
def bridge(shared: Bridge) -> Bridge:
    shared.client.forget()
    shared.client.stored[1024] = VIEW
    return shared


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("who", ["rid=1024", "email=Ann%40example.com"])
def test_a_recipient_is_answered_with_every_field(bridge: Bridge, who: str) -> None:
    answer = bridge.http.get(f"{PATH}?orgid=2&{who}")

    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json() == DOCUMENT
    assert '"n":1.10' in answer.text


@pytest.mark.parametrize("query", ["orgid=2&rid=7", "orgid=3&rid=1024", "orgid=2&email=b@c.de"])
@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE"])
def test_an_unknown_recipient_is_a_404(bridge: Bridge, verb: str, query: str) -> None:
    answer = bridge.http.request(verb, f"{PATH}?{query}", content=b"{}" if verb == "PUT" else None)

    assert code(answer) == (404, "UNKNOWN_RECIPIENT")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("rid=1", "MISSING_PARAMETER", id="no orgid"),
        pytest.param("orgid=2", "MISSING_PARAMETER", id="neither rid nor email"),
        pytest.param("orgid=2&rid=1&email=a@b.de", "INVALID_PARAMETER", id="both"),
        pytest.param("orgid=2&rid=0", "INVALID_PARAMETER", id="rid of zero"),
        pytest.param("orgid=2&rid=13.0", "INVALID_PARAMETER", id="a fraction"),
        pytest.param("orgid=2&rid=1&rid=1", "REPEATED_PARAMETER", id="twice"),
        pytest.param("orgid=2&rid=1&mid=1", "UNKNOWN_PARAMETER", id="mid"),
        pytest.param("orgid=2&email=nonsense", "INVALID_PARAMETER", id="no address"),
        pytest.param("orgid=2&email=a+b@c.de", "INVALID_PARAMETER", id="plus that was not escaped"),
        pytest.param("orgid=2&rid=1&format=xml", "INVALID_PARAMETER", id="format"),
    ],
)
def test_queries_that_are_refused(bridge: Bridge, query: str, expected: str) -> None:
    assert code(bridge.http.get(f"{PATH}?{query}")) == (400, expected)
    assert code(bridge.http.delete(f"{PATH}?{query}")) == (400, expected)


@pytest.mark.parametrize("who", ["rid=1024", "email=Ann%40example.com"])
def test_an_erasing_says_what_is_left_where_and_until_when(bridge: Bridge, who: str) -> None:
    answer = bridge.http.delete(f"{PATH}?orgid=2&{who}")

    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json() == {
        "rid": 1024,
        "erasedDate": "2026-11-26T09:00:00.500Z",
        "remains": [
            {"topic": "mailing.recipients", "until": "2026-12-26T09:00:00.500Z"},
            {"topic": "mailing.state", "until": None},
        ],
    }
    assert code(bridge.http.get(BY_RID)) == (404, "UNKNOWN_RECIPIENT")


def test_what_was_read_can_be_sent_back_whole(bridge: Bridge) -> None:
    document = bridge.http.get(BY_RID).json()
    answer = bridge.http.put(BY_RID, json=document)

    assert answer.status_code == 200
    assert {**answer.json(), "profileData": None} == {**DOCUMENT, "profileData": None}
    (change,) = bridge.client.changes
    assert change.who == Who(1024, "Ann@example.com")
    assert change.profile["profileData"] == {"n": "1.1", "t": '"x"', "odd": '"{"'}


@pytest.mark.parametrize(
    ("query", "body", "who"),
    [
        pytest.param("rid=1024", b"{}", Who(1024), id="rid in the query"),
        pytest.param("", b'{"rid":1024}', Who(1024), id="rid in the body"),
        pytest.param("rid=1024", b'{"rid":null}', Who(1024), id="rid null is no rid"),
        pytest.param("rid=1024", b'{"rid":1024}', Who(1024), id="rid in both"),
        pytest.param("email=Ann%40example.com", b"{}", Who(None, "Ann@example.com"), id="address"),
        pytest.param(
            "email=Ann%40example.com",
            b'{"email":"ANN@EXAMPLE.COM"}',
            Who(None, "Ann@example.com"),
            id="address in another case",
        ),
        pytest.param(
            "",
            b'{"localPart":"Ann","domainName":"example.com"}',
            Who(None, "Ann@example.com"),
            id="address in parts",
        ),
        pytest.param(
            "rid=1024",
            b'{"email":"Ann@example.com","localPart":"ANN"}',
            Who(1024, "Ann@example.com"),
            id="rid and address",
        ),
        pytest.param("", b"{rid: 1024, /* JSON5 */}", Who(1024), id="JSON5"),
    ],
)
def test_a_recipient_is_named_in_the_query_or_in_the_body(
    bridge: Bridge, query: str, body: bytes, who: Who
) -> None:
    answer = bridge.http.put(f"{PATH}?orgid=2&{query}".rstrip("&"), content=body)

    assert answer.status_code == 200, answer.text
    assert [change.who for change in bridge.client.changes] == [who]


@pytest.mark.parametrize(
    ("query", "body", "expected"),
    [
        ("", b"{}", (422, "MISSING_EMAIL", "email")),
        ("&rid=1024", b'{"rid":7}', (422, "INVALID_RID", "rid")),
        ("&rid=1024", b'{"rid":"1024"}', (422, "INVALID_RID", "rid")),
        ("", b'{"rid":9007199254740993}', (404, "UNKNOWN_RECIPIENT", "rid")),
        ("&email=Ann%40example.com", b'{"email":"b@c.de"}', (409, "ADDRESS_FIXED", "email")),
        (
            "&rid=1024",
            b'{"email":"a@b.de","localPart":"c"}',
            (422, "ADDRESS_CONFLICT", "localPart"),
        ),
        ("&rid=1024", b'{"context":1}', (422, "UNKNOWN_FIELD", "context")),
        ("&rid=1024", b'{"shoeSize":43}', (422, "UNKNOWN_FIELD", "shoeSize")),
        ("&rid=1024", b'{"City":"A","city":"A"}', (422, "REPEATED_FIELD", "city")),
        ("&rid=1024", b'{"status":2}', (422, "INVALID_VALUE", "status")),
        ("&rid=1024", b'{"smsContact":"123"}', (422, "INVALID_VALUE", "smsContact")),
        ("&rid=1024", b"{status: NaN}", (422, "INVALID_VALUE", "status")),
        ("&rid=1024", b"[1024]", (422, "INVALID_ENTRY", None)),
        ("&rid=1024", b"[{},{}]", (422, "INVALID_ENTRY", None)),
    ],
)
def test_changes_that_are_refused(
    bridge: Bridge, query: str, body: bytes, expected: tuple[int, str, str | None]
) -> None:
    answer = bridge.http.put(f"{PATH}?orgid=2{query}", content=body)

    (error,) = answer.json()["errors"]
    assert (*code(answer), error["field"]) == expected
    assert bridge.client.changes == []


def test_every_field_that_is_wrong_is_named(bridge: Bridge) -> None:
    answer = bridge.http.put(BY_RID, content=b'{"status":9,"city":7,"countryCode":"DEU"}')

    assert [error["field"] for error in answer.json()["errors"]] == [
        "status",
        "city",
        "countryCode",
    ]


@pytest.mark.parametrize("status", [b'"Unsubscribed"', b"0"])
def test_status_and_fields_are_normalised_as_in_a_trigger(bridge: Bridge, status: bytes) -> None:
    body = b'{"status":%b,"countryCode":"dk","SMSCONTACT":"+45 12 34 56 78","city":null}' % status
    answer = bridge.http.put(BY_RID, content=body)

    document = answer.json()
    assert (document["status"], document["countryCode"]) == (0, "DK")
    assert document["smsContact"] == "+4512345678"
    assert "city" not in bridge.client.changes[0].profile


def test_a_form_changes_a_recipient(bridge: Bridge) -> None:
    answer = bridge.http.put(
        BY_RID, data={"status": "0", "smsSubscribed": "false", "profileData.a": "b"}
    )

    assert answer.status_code == 200
    (change,) = bridge.client.changes
    assert change.status == 0
    assert change.profile == {"smsSubscribed": False, "profileData": {"a": '"b"'}}


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"Content-Type": "text/plain"}, b"{}", (415, "UNSUPPORTED_TYPE")),
        ({"Content-Encoding": "gzip"}, b"{}", (415, "UNSUPPORTED_ENCODING")),
        ({}, b"", (400, "MALFORMED_BODY")),
        ({}, b"\xff", (400, "MALFORMED_TEXT")),
    ],
)
def test_bodies_that_cannot_be_read(
    bridge: Bridge, headers: dict[str, str], body: bytes, expected: tuple[int, str]
) -> None:
    assert code(bridge.http.put(BY_RID, content=body, headers=headers)) == expected


@pytest.mark.parametrize("verb", ["POST", "HEAD", "PATCH"])
def test_other_verbs_are_not_offered(bridge: Bridge, verb: str) -> None:
    answer = bridge.http.request(verb, BY_RID)

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, PUT, DELETE, OPTIONS")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            RecipientRefused([EntryError(0, "email", Code.ADDRESS_FIXED, "it never changes")]),
            (409, "ADDRESS_FIXED"),
        ),
        (
            RecipientRefused([EntryError(0, None, Code.ENTRY_TOO_LARGE, "too large")]),
            (422, "ENTRY_TOO_LARGE"),
        ),
        (NotAcknowledged(answered=0, expected=1), (504, "NOT_ACKNOWLEDGED")),
    ],
)
def test_what_the_log_says_is_told(error: Exception, expected: tuple[int, str]) -> None:
    with running(StandIn(error=error)) as bridge:
        assert code(bridge.http.put(BY_RID, content=b"{}")) == expected
