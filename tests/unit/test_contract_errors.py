"""Errors say all that is wrong with an entry, and nothing that an answer cannot carry."""

from __future__ import annotations

import json

from producers.contract.errors import Code
from producers.contract.reading import MAX_ERRORS_AN_ENTRY
from producers.contract.recipients import read_call


def test_every_bad_field_of_an_entry_is_named() -> None:
    body = b'{"email": "nobody", "status": 2, "shoeSize": 43, "city": "X"}'
    errors = read_call(body, content_type=None).errors
    assert [(e.index, e.field, e.code) for e in errors] == [
        (0, "email", Code.INVALID_EMAIL),
        (0, "status", Code.INVALID_VALUE),
        (0, "shoeSize", Code.UNKNOWN_FIELD),
    ]


def test_thousands_of_bad_fields_get_a_few_errors() -> None:
    body = json.dumps({f"f{n}": n for n in range(5000)}).encode()
    assert len(read_call(body, content_type=None).errors) == MAX_ERRORS_AN_ENTRY


def test_the_name_of_an_unknown_field_is_short_and_printable() -> None:
    body = b'{"a\\u0000\\ud800%s": 1}' % (b"x" * 10_000)
    (error,) = read_call(body, content_type=None).errors
    assert error.field is not None
    assert error.field.startswith("a��xxx")
    assert len(error.field) < 100
    assert error.field.encode()


def test_fields_are_named_in_their_canonical_spelling() -> None:
    body = b'[{"FIRSTNAME": 1}, {"rid": 1, "CITY": "1", "CITY": "2"}, {rid:1, PHONE1: NaN}]'
    errors = read_call(body, content_type=None).errors
    assert [error.field for error in errors] == ["firstName", "city", "phone1"]


def test_a_code_is_its_own_name() -> None:
    assert all(code.value == code.name for code in Code)
