"""Python callers meet the rules of a body; a context may also come as JSON text."""

from __future__ import annotations

import pytest

from producers.contract.errors import ContractError
from producers.contract.recipients import KnownEntry, OnTheFlyEntry, read_recipients
from schemas.profiles import NO_PROFILE, write_profile
from schemas.topics import MAX_CONTEXT_BYTES, MAX_ENTRIES, MAX_EVENT_BYTES


def test_the_three_forms() -> None:
    call = read_recipients(
        [13, {"rid": 22, "context": {"n": 1}}, {"Email": "a@example.com", "LASTNAME": "Doe"}]
    )
    assert call.entries == (
        KnownEntry(0, 13, None, b"", NO_PROFILE),
        KnownEntry(1, 22, None, b'{"n":1}', NO_PROFILE),
        OnTheFlyEntry(2, "a@example.com", None, b"", write_profile({"lastName": "Doe"})),
    )
    assert (call.errors, call.size) == ((), 3)


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        pytest.param(b'{ "n" : 1.10, "n": 1e400 }', b'{ "n" : 1.10, "n": 1e400 }', id="JSON text"),
        pytest.param(b' "\\ud800" ', b' "\\ud800" ', id="JSON text with half of a pair"),
        pytest.param(b" null ", b"", id="null as JSON text"),
        pytest.param(None, b"", id="None"),
        pytest.param("Łódź", '"Łódź"'.encode(), id="string"),
        pytest.param(2**80, b"1208925819614629174706176", id="big integer"),
        pytest.param([], b"[]", id="empty list"),
    ],
)
def test_a_context_that_is_accepted(context: object, expected: bytes) -> None:
    (entry,) = read_recipients([{"rid": 1, "context": context}]).entries
    assert entry.context == expected


def _cycle() -> list[object]:
    cycle: list[object] = []
    cycle.append(cycle)
    return cycle


def _tower(height: int) -> list[object]:
    tower: list[object] = []
    for _ in range(height - 1):
        tower = [tower]
    return tower


@pytest.mark.parametrize(
    ("context", "code"),
    [
        pytest.param(float("nan"), "INVALID_CONTEXT", id="NaN"),
        pytest.param({"a": {1, 2}}, "INVALID_CONTEXT", id="a set"),
        pytest.param("\ud800", "INVALID_CONTEXT", id="half of a pair"),
        pytest.param(_cycle(), "INVALID_CONTEXT", id="a cycle"),
        pytest.param(_tower(63), "INVALID_CONTEXT", id="63 deep"),
        pytest.param(_tower(100_000), "INVALID_CONTEXT", id="100,000 deep"),
        pytest.param(b"[" * 63 + b"]" * 63, "INVALID_CONTEXT", id="63 deep as text"),
        pytest.param(b"{a: 1}", "INVALID_CONTEXT", id="JSON5 text"),
        pytest.param(b"", "INVALID_CONTEXT", id="no text"),
        pytest.param(b'"\xff"', "INVALID_CONTEXT", id="text that is not UTF-8"),
        pytest.param("x" * MAX_CONTEXT_BYTES, "CONTEXT_TOO_LARGE", id="too large"),
        pytest.param(b'"%s"' % (b"x" * MAX_CONTEXT_BYTES), "CONTEXT_TOO_LARGE", id="large text"),
    ],
)
def test_a_context_that_is_refused(context: object, code: str) -> None:
    call = read_recipients([{"rid": 1, "context": context}, 2])
    assert [(e.index, e.field, e.code) for e in call.errors] == [(0, "context", code)]
    assert [entry.index for entry in call.entries] == [1]


def test_62_levels_of_context_are_as_deep_as_in_a_body() -> None:
    (entry,) = read_recipients([{"rid": 1, "context": _tower(62)}]).entries
    assert entry.context == b"[" * 62 + b"]" * 62


@pytest.mark.parametrize(
    ("scalar", "code"),
    [
        pytest.param(float("inf"), "INVALID_VALUE", id="Infinity"),
        pytest.param([1], "INVALID_TYPE", id="nested"),
        pytest.param("a\x00", "INVALID_CHARACTER", id="NUL"),
    ],
)
def test_profile_data_that_is_refused(scalar: object, code: str) -> None:
    (error,) = read_recipients([{"rid": 1, "profileData": {"x": scalar}}]).errors
    assert (error.field, error.code) == ("profileData", code)


def test_a_recipient_that_fits_no_event_is_refused_alone() -> None:
    call = read_recipients([{"rid": 1, "city": "ü" * (MAX_EVENT_BYTES // 2)}, 2])
    assert [error.code for error in call.errors] == ["ENTRY_TOO_LARGE"]
    assert [entry.index for entry in call.entries] == [1]


def test_too_many_recipients_are_refused_without_reading_on() -> None:
    given = iter(range(1, 2 * MAX_ENTRIES))
    with pytest.raises(ContractError) as refusal:
        read_recipients(given)
    assert (refusal.value.status, refusal.value.code) == (413, "TOO_MANY_ENTRIES")
    assert next(given) == MAX_ENTRIES + 2


def test_a_name_that_is_no_string_is_an_unknown_field() -> None:
    (error,) = read_recipients([{1: 2}]).errors  # type: ignore[dict-item]  # the point
    assert (error.field, error.code) == ("1", "UNKNOWN_FIELD")
