"""Rids decoded side by side are those decoded one after the other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.framing import SINGLE_OBJECT_BYTES
from schemas.varint import decode_long, encode_long
from streams.core.recipients import rids_of

RIDS = st.lists(st.integers(1024, 2**53 - 1), max_size=40)


@given(
    RIDS
    | st.builds(
        lambda start, n: [start + 1024 * i for i in range(n)],
        st.integers(1, 2**40),
        st.integers(0, 40),
    ),
    st.binary(min_size=0, max_size=12),
)
def test_rids_of_values_are_what_the_plain_decoder_says(rids: list[int], rest: bytes) -> None:
    values = [bytes(SINGLE_OBJECT_BYTES) + encode_long(rid) + rest for rid in rids]
    plain = [decode_long(value, SINGLE_OBJECT_BYTES)[0] for value in values]
    assert list(rids_of(values)) == plain == rids
