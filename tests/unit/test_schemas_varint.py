"""Numbers written by hand are the numbers Avro writes."""

from __future__ import annotations

import pytest

from schemas.varint import decode_long, encode_bytes, encode_long


@pytest.mark.parametrize(
    ("number", "written"),
    [(0, "00"), (-1, "01"), (1, "02"), (-64, "7f"), (64, "8001"), (8191, "fe7f"), (8192, "808001")],
)
def test_a_number_has_the_bytes_of_the_specification(number: int, written: str) -> None:
    assert encode_long(number).hex() == written
    assert decode_long(bytes.fromhex(written), 0) == (number, len(written) // 2)


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63)])
def test_the_ends_of_a_long_take_ten_bytes(number: int) -> None:
    assert decode_long(encode_long(number) + b"rest", 0) == (number, 10)


def test_a_number_that_is_cut_off_is_an_index_error() -> None:
    with pytest.raises(IndexError):
        decode_long(b"\x80\x80", 0)


def test_a_number_without_end_is_refused_after_ten_bytes() -> None:
    with pytest.raises(ValueError, match="ten bytes"):
        decode_long(b"\xff" * 500_000, 0)


def test_bytes_carry_their_length() -> None:
    assert encode_bytes("ß".encode()) == b"\x04\xc3\x9f"
