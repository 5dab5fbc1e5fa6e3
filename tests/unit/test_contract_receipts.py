"""The address of an answer is read back as it was given, and nothing else is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.contract.parameters import MAX_ID
from producers.contract.receipts import AnswerPlace, Receipt, read_receipt, request_id_of
from schemas.topics import ACK_PARTITIONS, MAX_ENTRIES, MAX_REQUEST_ID_CHARS

GOOD = "2-0123456789abcdef1f.7.42.3.5"


@given(
    orgid=st.integers(1, MAX_ID),
    number=st.integers(0, 2**64),
    partition=st.integers(0, ACK_PARTITIONS - 1),
    offset=st.integers(0, 10**18 - 1),
    sizes=st.tuples(st.integers(1, MAX_ENTRIES), st.integers(1, MAX_ENTRIES)).map(sorted),
)
def test_a_receipt_is_read_as_it_was_written(
    orgid: int, number: int, partition: int, offset: int, sizes: list[int]
) -> None:
    request_id = request_id_of(orgid, "0123456789abcdef", number)
    receipt = Receipt(AnswerPlace(request_id, partition, offset), *sizes)
    assert len(request_id) <= MAX_REQUEST_ID_CHARS
    assert read_receipt(str(receipt)) == receipt
    assert receipt.orgid == orgid


def test_a_receipt_is_what_the_tests_below_change() -> None:
    receipt = read_receipt(GOOD)
    assert receipt == Receipt(AnswerPlace("2-0123456789abcdef1f", 7, 42), 3, 5)
    assert receipt.orgid == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD + ".",
        GOOD + "0" * 200,
        GOOD.replace(".7.", ".8."),
        GOOD.replace(".3.5", ".0.5"),
        GOOD.replace(".3.5", ".6.5"),
        GOOD.replace(".3.5", ".3.100001"),
        GOOD.replace(".42.", ".-42."),
        GOOD.replace("2-", "0-"),
        GOOD.replace("2-", ""),
        GOOD.replace("2-", "2-2-"),
        GOOD.replace("f", "g"),
        GOOD.replace("4", "\u0664"),
        "4f1c-9.7.42.3.5",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert read_receipt(text) is None
