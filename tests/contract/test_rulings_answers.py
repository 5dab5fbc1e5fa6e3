"""What a call is answered with, whatever the fold says of its entries."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from producers.contract.answers import answer, outcomes_of
from producers.contract.recipients import read_call
from schemas.records import Outcome

JSON = "application/json"
GOOD = Outcome.CREATED


@dataclass(frozen=True)
class Row:
    body: bytes
    results: dict[int, tuple[Outcome, int]]
    status: int
    ids: tuple[int | None, ...]
    errors: tuple[tuple[int, str | None, str, bool], ...] = ()


ANSWERS = {
    "ids in request order": Row(
        b"[1,2,3]",
        {2: (Outcome.KNOWN, 3), 0: (GOOD, 1), 1: (Outcome.DUPLICATE, 2)},
        200,
        (1, 2, 3),
    ),
    "suppressed is answered with its id": Row(b"1", {0: (Outcome.SUPPRESSED, 1)}, 200, (1,)),
    "some bad: null at their index, the others added": Row(
        b"[1,2,0,4]",
        {0: (GOOD, 1), 1: (Outcome.UNKNOWN_RECIPIENT, 0), 3: (Outcome.EMAIL_MISMATCH, 0)},
        422,
        (1, None, None, None),
        (
            (1, "rid", "UNKNOWN_RECIPIENT", False),
            (2, None, "INVALID_RID", False),
            (3, "email", "EMAIL_MISMATCH", False),
        ),
    ),
    "one bare unknown rid": Row(
        b"7",
        {0: (Outcome.UNKNOWN_RECIPIENT, 0)},
        404,
        (None,),
        ((0, "rid", "UNKNOWN_RECIPIENT", False),),
    ),
    "one unknown rid in an array": Row(
        b'[{"rid":7}]',
        {0: (Outcome.UNKNOWN_RECIPIENT, 0)},
        404,
        (None,),
        ((0, "rid", "UNKNOWN_RECIPIENT", False),),
    ),
    "one rid no recipient can have": Row(
        b"9007199254740992", {}, 404, (None,), ((0, None, "UNKNOWN_RECIPIENT", False),)
    ),
    "one rid with another's email": Row(
        b'{"rid":7,"email":"a@example.com"}',
        {0: (Outcome.EMAIL_MISMATCH, 0)},
        422,
        (None,),
        ((0, "email", "EMAIL_MISMATCH", False),),
    ),
    "unknown mailing": Row(
        b"[1,2,0]",
        {0: (Outcome.UNKNOWN_MAILING, 0), 1: (Outcome.UNKNOWN_MAILING, 0)},
        404,
        (),
        ((0, None, "INVALID_MAILING", False),),
    ),
    "finished mailing": Row(
        b"1", {0: (Outcome.MAILING_CLOSED, 0)}, 409, (), ((0, None, "MAILING_CLOSED", False),)
    ),
    "mailing of another type": Row(
        b"1", {0: (Outcome.NOT_TRIGGERED, 0)}, 409, (), ((0, None, "NOT_TRIGGERED", False),)
    ),
    "mailing cancelled while the call ran: who was added is told": Row(
        b"[1,2]",
        {0: (GOOD, 1), 1: (Outcome.MAILING_CLOSED, 0)},
        409,
        (1, None),
        ((1, None, "MAILING_CLOSED", False),),
    ),
    "mailing cancelled while the call ran: who may have been added is not refused": Row(
        b"[1,2]",
        {0: (Outcome.MAILING_CLOSED, 0)},
        504,
        (None, None),
        ((0, None, "MAILING_CLOSED", False), (1, None, "NOT_ACKNOWLEDGED", True)),
    ),
    "not acknowledged in time": Row(
        b"[1,2]", {1: (GOOD, 2)}, 504, (None, 2), ((0, None, "NOT_ACKNOWLEDGED", True),)
    ),
    "late and bad": Row(
        b"[1,0]",
        {},
        504,
        (None, None),
        ((0, None, "NOT_ACKNOWLEDGED", True), (1, None, "INVALID_RID", False)),
    ),
    "dead-lettered": Row(
        b"[1]", {0: (Outcome.FAILED, 0)}, 422, (None,), ((0, None, "FAILED", False),)
    ),
}


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ANSWERS.items()])
def test_answer(row: Row) -> None:
    given = answer(read_call(row.body, content_type=JSON), row.results)
    errors = tuple((e.index, e.field, e.code, e.retriable) for e in given.errors)
    assert (given.status, given.ids, errors) == (row.status, row.ids, row.errors)
    assert all(error.detail for error in given.errors)


def test_an_unknown_mailing_is_called_that() -> None:
    given = answer(read_call(b"1", content_type=JSON), {0: (Outcome.UNKNOWN_MAILING, 0)})
    assert given.errors[0].detail == "no such mailing"


def test_what_became_of_each_entry_is_told_in_the_order_of_the_request() -> None:
    call = read_call(b"[1,2,3,4,5,0,7]", content_type=JSON)
    results = {
        6: (Outcome.EMAIL_MISMATCH, 0),
        4: (Outcome.UNKNOWN_RECIPIENT, 0),
        3: (Outcome.SUPPRESSED, 4),
        2: (Outcome.DUPLICATE, 3),
        1: (Outcome.KNOWN, 2),
        0: (Outcome.CREATED, 1),
    }
    rows = outcomes_of(call, results, answer(call, results))
    assert [(row.index, row.rid, row.outcome, row.reason) for row in rows] == [
        (0, 1, "created", None),
        (1, 2, "known", None),
        (2, 3, "duplicate", None),
        (3, 4, "suppressed", "UNSUBSCRIBED"),
        (4, None, "rejected", "UNKNOWN_RECIPIENT"),
        (5, None, "rejected", "INVALID_RID"),
        (6, None, "rejected", "EMAIL_MISMATCH"),
    ]


def test_an_entry_with_several_errors_is_one_row_and_a_late_one_is_no_rejection() -> None:
    body = b'[{"email":"nonsense","countryCode":"x"},2]'
    call = read_call(body, content_type=JSON)
    rows = outcomes_of(call, {}, answer(call, {}))
    assert len(call.errors) == 2
    assert [(row.outcome, row.reason) for row in rows] == [
        ("rejected", call.errors[0].code),
        ("unacknowledged", "NOT_ACKNOWLEDGED"),
    ]
