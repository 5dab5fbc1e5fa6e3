"""Bytes that are no record of ours are refused by name, and never cost more than their size."""

from __future__ import annotations

import tracemalloc
from io import BytesIO

import pytest
from fastavro.schema import parse_schema

from schemas import codec
from schemas.codec import Codec, current_schema
from schemas.errors import BadRecord, UnknownFraming, WireError
from schemas.framing import Framing, writer_of
from schemas.records import ACKNOWLEDGEMENT, DEAD_LETTER, NAMES, RECIPIENT_TRIGGERED
from schemas.varint import encode_long
from tests.support.golden import golden

CODEC = Codec()
TRIGGERED = CODEC.framing.prefixes[RECIPIENT_TRIGGERED]
HUGE = encode_long(2**62)
BODY = bytes.fromhex(golden("records")["records"][0]["hex"])


@pytest.mark.parametrize(
    ("value", "error", "reason"),
    [
        pytest.param(None, BadRecord, "EMPTY", id="tombstone"),
        pytest.param(b"", BadRecord, "EMPTY", id="empty"),
        pytest.param(b"\xc3", BadRecord, "WRONG_MAGIC", id="half a magic"),
        pytest.param(b"\x00", BadRecord, "TRUNCATED", id="one byte of a registry's framing"),
        pytest.param(b"\x00\x00\x00\x01", BadRecord, "TRUNCATED", id="half a schema id"),
        pytest.param(b"{}", BadRecord, "WRONG_MAGIC", id="JSON"),
        pytest.param(TRIGGERED[:9], UnknownFraming, "UNKNOWN_FINGERPRINT", id="half a fingerprint"),
        pytest.param(
            b"\xc3\x01" + bytes(8), UnknownFraming, "UNKNOWN_FINGERPRINT", id="unknown fingerprint"
        ),
        pytest.param(b"\x00\x00\x00\x00\x2a", UnknownFraming, "UNKNOWN_SCHEMA_ID", id="unknown id"),
        pytest.param(TRIGGERED, BadRecord, "TRUNCATED", id="framing alone"),
        pytest.param(TRIGGERED + BODY[:-1], BadRecord, "TRUNCATED", id="truncated"),
        pytest.param(TRIGGERED + BODY + b"\x00", BadRecord, "TRAILING_BYTES", id="trailing byte"),
        pytest.param(
            TRIGGERED + b"\x02\x02" + HUGE + b"ab", BadRecord, "TRUNCATED", id="string of 2^62"
        ),
        pytest.param(
            TRIGGERED + b"\x02\x02\x01ab", BadRecord, "TRUNCATED", id="string of length -1"
        ),
        pytest.param(
            TRIGGERED + b"\x02\x02\x04\xff\xfe", BadRecord, "TRUNCATED", id="string is no UTF-8"
        ),
        pytest.param(TRIGGERED + b"\xff" * 4000, BadRecord, "TRUNCATED", id="endless number"),
        pytest.param(
            CODEC.framing.prefixes[ACKNOWLEDGEMENT] + HUGE,
            BadRecord,
            "TRUNCATED",
            id="array of 2^62",
        ),
        pytest.param(
            CODEC.framing.prefixes[ACKNOWLEDGEMENT] + b"\x02\x00\x02\x00\x00\x28\x00\x00",
            BadRecord,
            "TRUNCATED",
            id="enum symbol 20",
        ),
        pytest.param(
            CODEC.framing.prefixes[DEAD_LETTER] + b"\x00\x00\x00\x00\x00\x08",
            BadRecord,
            "TRUNCATED",
            id="union branch 4",
        ),
    ],
)
def test_bytes_that_are_no_record_are_refused(
    value: bytes | None, error: type[WireError], reason: str
) -> None:
    with pytest.raises(error) as refused:
        CODEC.decode(value)
    assert refused.value.reason == reason


def test_a_length_of_2_62_takes_no_memory() -> None:
    value = TRIGGERED + b"\x02\x02" + HUGE + b"ab"
    tracemalloc.start()
    try:
        with pytest.raises(BadRecord):
            CODEC.decode(value)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_an_unknown_registry_id_is_told_to_who_may_ask_for_it() -> None:
    with pytest.raises(UnknownFraming) as refused:
        Framing().split(b"\x00\x00\x01\x00\x00rest")
    assert refused.value.schema_id == 65536


@pytest.mark.parametrize("name", NAMES)
def test_both_framings_are_read_when_a_registry_gave_ids(name: str) -> None:
    ids = {name: 100 + place for place, name in enumerate(NAMES)}
    framing = Framing(ids)
    frame = framing.prefixes[name]
    assert frame == b"\x00" + ids[name].to_bytes(4, "big")
    assert framing.split(frame + b"body") == (framing.writers[frame], 5)
    avro_frame = Framing().prefixes[name]
    writer, start = framing.split(avro_frame + b"body")
    assert (writer.name, start) == (name, 10)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"orgid": "2"},
        {"orgid": 2**63},
        {"request_id": "\ud800"},
        {"request_id": None},
        {"context": "text"},
        {"profileData": {"a": 1}},
        {"smsSubscribed": "yes"},
    ],
    ids=str,
)
def test_a_record_that_does_not_fit_its_schema_is_not_written(fields: dict[str, object]) -> None:
    good = CODEC.decode(TRIGGERED + BODY)[1]
    with pytest.raises(BadRecord) as refused:
        CODEC.encode(RECIPIENT_TRIGGERED, good | fields if fields else {})
    assert refused.value.reason == "UNENCODABLE"


def test_a_symbol_todays_schema_has_no_place_for_is_a_bad_record() -> None:
    def record(symbols: list[str]) -> object:
        field = {"name": "e", "type": {"type": "enum", "name": "E", "symbols": symbols}}
        return parse_schema({"type": "record", "name": "R", "fields": [field]}, _force=True)

    with pytest.raises(BadRecord):
        codec.read(BytesIO(b"\x02"), record(["A", "B"]), record(["A"]))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '"int"',
        '{"type": "record", "name": 5, "fields": []}',
        '{"type": "record", "name": "RecipientTriggered", "fields": [{"name": "a", "type": "no"}]}',
        '{"type": "record", "name": "Stranger", "fields": []}',
        "[" * 100_000,
    ],
    ids=lambda text: text[:60] or "empty",
)
def test_a_registry_text_that_is_none_of_our_records_is_refused(text: str) -> None:
    with pytest.raises(BadRecord) as refused:
        writer_of(text)
    assert refused.value.reason == "FOREIGN_SCHEMA"


def test_a_decoder_of_todays_schema_is_made_once() -> None:
    assert current_schema(RECIPIENT_TRIGGERED) is current_schema(RECIPIENT_TRIGGERED)
