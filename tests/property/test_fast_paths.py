"""Fast paths say what their plain twins say."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from librt.strings import BytesWriter

from schemas.codec import Codec, current_schema, fields_until, read
from schemas.errors import BadRecord
from schemas.framing import SINGLE_OBJECT_BYTES
from schemas.ids import identity
from schemas.profiles import NO_PARTS as PROFILES
from schemas.records import RECIPIENT_BATCH, RECIPIENT_STATE, RECIPIENT_TRIGGERED
from schemas.varint import decode_text, encode_bytes, encode_long, span_of, write_size
from streams.core.heads import Head, is_plain, profile_is_sound, read_head
from streams.core.messages import (
    batch_of,
    check_profile,
    encode_batch,
    fields_of_profile,
    opted_out_of_sms,
    with_fields,
)
from streams.core.overlay import overlaid, sms_contact
from streams.core.queues import Batch
from streams.core.recipient_batches import read_recipients
from tests.suites.recipient_table import batches_of

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


def stored_of(event: dict[str, Any]) -> bytes:
    value = CODEC.encode(RECIPIENT_TRIGGERED, event)
    return value[read_head(value, SINGLE_OBJECT_BYTES).stored_at :]


def profile_of(stored: bytes) -> bytes:
    return stored[span_of(stored, 0)[1] :]


@given(events, events)
def test_a_profile_laid_over_another_by_hand_is_the_one_laid_by_fastavro(
    below: dict[str, Any], above: dict[str, Any]
) -> None:
    stored, called = stored_of(below), stored_of(above)
    plain = with_fields(stored, fields_of_profile(profile_of(called)), but_no_sms=True)
    assert overlaid(stored, called, span_of(called, 0)[1]) == plain


@given(events)
def test_the_number_for_sms_found_by_hand_is_the_one_fastavro_reads(event: dict[str, Any]) -> None:
    stored = stored_of(event)
    number = event.get("smsContact") or ""
    assert sms_contact(stored) == (b"" if opted_out_of_sms(stored) else number.encode())


@given(st.binary(max_size=60), events, st.integers(0, 90), st.integers(0, 255))
def test_a_profile_that_is_not_plain_is_left_to_fastavro_or_read_alike(
    noise: bytes, event: dict[str, Any], at: int, byte: int
) -> None:
    sound = stored_of(event)
    changed = sound[:at] + bytes((byte,)) + sound[at + 1 :]
    for stored in (noise, sound[:at], changed, b"\x00" * 17 + sound):
        try:
            plain = with_fields(stored, {})
        except (BadRecord, IndexError, ValueError):
            continue
        nothing = b"\x00" * len(PROFILES)
        by_hand = overlaid(stored, nothing, 0)
        if by_hand is not None:
            assert fields_of_profile(profile_of(by_hand)) == fields_of_profile(profile_of(plain))


def test_a_map_in_two_blocks_is_left_to_fastavro() -> None:
    pair = encode_bytes(b"a") + encode_bytes(b"b")
    other = encode_bytes(b"c") + encode_bytes(b"d")
    head = encode_bytes(b"a@b.org") + b"\x00" * (len(PROFILES) - 1) + b"\x02"
    one = head + b"\x04" + pair + other + b"\x00"
    two = head + b"\x02" + pair + b"\x02" + other + b"\x00"
    sized = head + b"\x01" + encode_long(len(pair)) + pair + b"\x00"
    call = profile_of(one)
    assert overlaid(one, call, 0) == one
    for stored in (two, sized):
        assert overlaid(stored, call, 0) is None
        assert sms_contact(stored) is None
        assert fields_of_profile(profile_of(with_fields(stored, {})))["profileData"]


@given(st.lists(st.tuples(st.binary(max_size=200), st.binary(max_size=20_000)), max_size=12))
def test_recipients_written_and_read_by_hand_are_what_fastavro_reads_and_writes(
    people: list[tuple[bytes, bytes]],
) -> None:
    first = CODEC.encode(RECIPIENT_STATE, {"rid": 1024, "status": 1, "email": "a@b.org"})
    written = [(key, first + rest) for key, rest in people]
    read_by_fastavro: list[dict[str, bytes]] = []
    read_by_hand = []
    for key, value in batches_of(*written):
        assert key == b"b:1024"
        name, batch = CODEC.decode(value)
        assert CODEC.encode(name, batch) == value
        read_by_fastavro += batch["recipients"]
        read_by_hand += zip(*read_recipients(value), strict=True)
    assert read_by_hand == written
    assert read_by_fastavro == [{"key": key, "recipient": value} for key, value in written]


@given(st.lists(st.tuples(st.binary(max_size=70), st.binary(max_size=9000)), max_size=5))
def test_a_batch_of_recipients_in_any_blocks_of_avro_is_read(
    people: list[tuple[bytes, bytes]],
) -> None:
    rows = [CODEC.encode(RECIPIENT_BATCH, _batch([each]))[SINGLE_OBJECT_BYTES:] for each in people]
    # A block of one, once as it is and once with its size in front.
    bare = b"".join(row[:-1] for row in rows)
    sized = b"".join(b"\x01" + encode_long(len(row) - 2) + row[1:-1] for row in rows)
    frame = CODEC.framing.prefixes[RECIPIENT_BATCH]
    for blocks in (bare, sized):
        value = frame + blocks + b"\x00"
        assert CODEC.decode(value)[1] == _batch(people)
        assert list(zip(*read_recipients(value), strict=True)) == people


@given(
    st.integers(0, 2**40),
    st.lists(
        st.tuples(
            st.integers(0, 2**31 - 1),
            st.integers(1024, 2**53),
            st.binary(max_size=100),
            st.binary(min_size=1, max_size=9000),
        ),
        min_size=1,
        max_size=9,
    ),
)
def test_messages_written_and_read_by_hand_are_what_fastavro_reads_and_writes(
    base_offset: int, given: list[tuple[int, int, bytes, bytes]]
) -> None:
    batch = Batch(base_offset)
    for delta, rid, recipient, event in given:
        batch.add(base_offset + delta, encode_long(rid), recipient, event)
    opened = list(batch)
    value = encode_batch(batch)
    assert list(batch) == opened == list(batch_of(value, lambda record: record))
    assert len(batch) == len(given)
    names = ("offset_delta", "rid", "recipient", "event")
    messages = [dict(zip(names, message, strict=True)) for message in given]
    assert CODEC.decode(value)[1] == {"base_offset": base_offset, "messages": messages}
    assert CODEC.encode(*CODEC.decode(value)) == value


def _batch(people: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {"recipients": [{"key": key, "recipient": value} for key, value in people]}


@given(st.integers(0, 2**53) | st.integers(0, 2**15))
def test_a_size_is_written_as_a_number_is(size: int) -> None:
    written = BytesWriter()
    write_size(written, size)
    assert written.getvalue() == encode_long(size)


@given(texts, st.text(st.characters(max_codepoint=0xFF), max_size=20))
def test_a_plain_address_is_its_own_identity(before: str, address: str) -> None:
    data = f"{before}{address}@b.org".encode()
    at = len(before.encode())
    if is_plain(data, at, len(data)):
        assert identity(data[at:].decode()) == data[at:].decode()
    else:
        assert not address.isalnum() or not address.isascii() or not address.islower()


def test_an_address_of_nothing_or_with_a_dot_at_its_end_is_not_plain() -> None:
    assert not is_plain(b"a@b.org", 3, 3)
    assert not is_plain(b"a@b.org.", 0, 8)
    assert is_plain(b"a@b.org.", 0, 7)
