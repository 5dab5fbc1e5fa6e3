"""What a client of the history checker makes of an answer: judged, nothing, or unknown."""

from __future__ import annotations

import json

import pytest

from tests.history.told import judged, read_answer


def _problem(status: int, **members: object) -> bytes:
    return json.dumps({"status": status, "code": "CODE", "detail": ""} | members).encode()


def test_ids_of_a_200_are_the_results() -> None:
    told = read_answer(200, b"[1024,2048]", 2)
    assert (told.type, told.results) == ("ok", [1024, 2048])


@pytest.mark.parametrize("status", [400, 413, 415, 429])
def test_a_refused_call_produced_nothing(status: int) -> None:
    assert read_answer(status, _problem(status), 2).type == "fail"


@pytest.mark.parametrize(
    ("detail", "type_"),
    [
        ("the log does not answer; nothing was added", "fail"),
        ("the log does not answer; some of the call may have been added", "info"),
    ],
)
def test_a_503_says_itself_whether_something_was_produced(detail: str, type_: str) -> None:
    assert read_answer(503, _problem(503, detail=detail), 1).type == type_


def test_a_500_leaves_everything_open() -> None:
    assert read_answer(500, _problem(500), 1).type == "info"


def test_a_422_is_judged_entry_by_entry() -> None:
    errors = [{"index": 1, "code": "INVALID_EMAIL"}]
    told = read_answer(422, _problem(422, ids=[1024, None], errors=errors), 2)
    assert (told.type, told.results) == ("ok", [1024, "INVALID_EMAIL"])


def test_a_504_keeps_the_ids_it_has_and_leaves_the_others_open() -> None:
    errors = [{"index": 0, "code": "NOT_ACKNOWLEDGED"}]
    told = read_answer(504, _problem(504, ids=[None, 2048], errors=errors), 2)
    assert (told.type, told.results) == ("info", [None, 2048])


def test_one_refusal_of_the_mailing_speaks_for_all_entries() -> None:
    assert judged(0, (), {0: "INVALID_MAILING"}, 3).results == ["INVALID_MAILING"] * 3
    assert read_answer(404, _problem(404), 2).results == ["CODE"] * 2
