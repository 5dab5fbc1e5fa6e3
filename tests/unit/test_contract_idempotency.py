"""The `Idempotency-Key` header, quoted as its draft has it, or bare."""

from __future__ import annotations

import pytest

from producers.contract.errors import ContractError
from producers.contract.idempotency import read_key
from producers.contract.recipients import read_call
from producers.keyed import digest_of


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        pytest.param([], None, id="none"),
        pytest.param(['"8e03978e-40d5"'], "8e03978e-40d5", id="quoted"),
        pytest.param(["8e03978e-40d5"], "8e03978e-40d5", id="bare is the same"),
        pytest.param([r'"a \"b\" \\c"'], r'a "b" \c', id="escaped"),
        pytest.param(['"' + "k" * 255 + '"'], "k" * 255, id="longest"),
    ],
)
def test_a_key_is_read(headers: list[str], key: str | None) -> None:
    assert read_key(headers) == key


@pytest.mark.parametrize(
    "headers",
    [[""], ['""'], ["a b"], ['"a'], ['"é"'], ["a", "a"], ['"a", "b"'], ["k" * 256], ['"a\\b"']],
)
def test_what_is_no_key_is_refused(headers: list[str]) -> None:
    with pytest.raises(ContractError) as refused:
        read_key(headers)
    assert (refused.value.status, refused.value.code) == (400, "INVALID_KEY")


def digest(body: bytes) -> bytes:
    return digest_of(read_call(body, content_type=None))


def test_a_call_is_the_same_however_its_body_is_written() -> None:
    assert digest(b'[{"email":"a@b.org"},7]') == digest(b'[ {email: "a@b.org"}, {"rid":7} ]')


@pytest.mark.parametrize(
    "other",
    [
        b'[{"email":"b@b.org"},7]',
        b'[{"email":"a@b.org"},8]',
        b'[7,{"email":"a@b.org"}]',
        b'[{"email":"a@b.org","context":1},7]',
        b'[{"email":"a@b.org","city":"x"},7]',
        b'[{"email":"a@b.org","status":1},7]',
        b'[{"email":"a@b.org"},7,0]',
        b'[{"email":"a@b.org"}]',
    ],
)
def test_other_entries_are_another_call(other: bytes) -> None:
    assert digest(other) != digest(b'[{"email":"a@b.org"},7]')
