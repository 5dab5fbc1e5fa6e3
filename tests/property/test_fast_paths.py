"""Fast paths say what their plain twins say."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import Codec, current_schema, fields_until, read
from schemas.errors import BadRecord
from schemas.framing import SINGLE_OBJECT_BYTES
from schemas.records import RECIPIENT_TRIGGERED
from schemas.varint import decode_text
from streams.core.heads import Head, profile_is_sound, read_head
from streams.core.messages import check_profile

CODEC = Codec()
SCHEMA = current_schema(RECIPIENT_TRIGGERED)
HEAD = fields_until(SCHEMA, "email")
NAMES = [field["name"] for field in HEAD["fields"]]

longs = st.integers(-(2**63), 2**63 - 1) | st.integers(-70, 300)
ints = st.integers(-(2**31), 2**31 - 1) | st.integers(-70, 300)
texts = st.text(max_size=100) | st.sampled_from(["", "a@b.org", "Zoë", "x" * 64])
PROFILE = {
    "firstName": texts | st.none(),
    "lastName": texts | st.none(),
    "birthDate": texts | st.none(),
    "phone2": texts | st.none(),
    "contentType": ints | st.none(),
    "smsContact": texts | st.none(),
    "smsSubscribed": st.booleans() | st.none(),
    "profileData": st.none() | st.dictionaries(texts, texts, max_size=3),
}
events = st.fixed_dictionaries(
    {
        "orgid": longs,
        "mid": longs,
        "request_id": texts,
        "index": ints,
        "reply_partition": ints,
        "rid": longs,
        "status": ints,
        "context": st.binary(max_size=200),
        "email": texts,
    },
    optional=PROFILE,
)


def fields_of(head: Head) -> dict[str, Any]:
    named: dict[str, Any] = dict(zip(NAMES, head, strict=False))
    return named | {"request_id": decode_text(head.request)}


@given(events)
def test_the_head_read_by_hand_is_the_head_fastavro_reads(event: dict[str, Any]) -> None:
    value = CODEC.encode(RECIPIENT_TRIGGERED, event)
    head = read_head(value, SINGLE_OBJECT_BYTES)
    body = BytesIO(value)
    body.seek(SINGLE_OBJECT_BYTES)
    assert fields_of(head) == read(body, HEAD)
    assert head.profile_at == body.tell()
    stored = value[head.stored_at :]
    rest = {"type": "record", "name": "rest", "fields": SCHEMA["fields"][8:]}
    assert read(BytesIO(stored), rest)["email"] == event["email"]


@given(st.binary(max_size=120), events, st.integers(0, 400))
def test_bytes_that_are_no_event_never_raise_anything_else(
    noise: bytes, event: dict[str, Any], cut: int
) -> None:
    for value in (noise, CODEC.encode(RECIPIENT_TRIGGERED, event)[:cut]):
        body = BytesIO(value)
        body.seek(SINGLE_OBJECT_BYTES)
        try:
            plain = read(body, HEAD)
        except BadRecord:
            plain = None
        try:
            head = read_head(value, SINGLE_OBJECT_BYTES)
        except BadRecord:
            continue
        assert plain is not None
        assert fields_of(head) == plain


@given(events, st.binary(max_size=3), st.integers(0, 30))
def test_a_profile_found_plain_is_one_that_can_be_read(
    event: dict[str, Any], more: bytes, less: int
) -> None:
    value = CODEC.encode(RECIPIENT_TRIGGERED, event)
    at = read_head(value, SINGLE_OBJECT_BYTES).profile_at
    for profile in (value[at:], value[at:] + more, value[at : len(value) - less]):
        if profile_is_sound(profile, 0):
            check_profile(profile, 0)


def test_the_common_profile_takes_the_fast_path() -> None:
    event = dict.fromkeys(("orgid", "mid"), 1) | {
        "request_id": "r",
        "index": 0,
        "reply_partition": 0,
        "rid": 0,
        "status": -1,
        "context": b"",
        "email": "a@b.org",
    }
    everything = {
        "firstName": "Zoë",
        "contentType": 1,
        "smsContact": "+31612345678",
        "smsSubscribed": True,
        "profileData": {"größe": "1.10", "b": '"x"'},
    }
    for profile in ({}, {"firstName": "John", "lastName": "Doe"}, {"phone2": "1"}, everything):
        value = CODEC.encode(RECIPIENT_TRIGGERED, event | profile)
        assert profile_is_sound(value, read_head(value, SINGLE_OBJECT_BYTES).profile_at)
