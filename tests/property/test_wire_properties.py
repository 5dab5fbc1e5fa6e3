"""What holds for every record, address and key, not only for the examples."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from typing import Any

import avro.io
import avro.schema
import pytest
from aiokafka.partitioner import murmur2 as aiokafka_murmur2  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import Codec, current_schema, fields_after, fields_until, read
from schemas.errors import WireError
from schemas.framing import schema_text
from schemas.ids import (
    identity,
    offset_of_rid,
    partition_of_rid,
    recipient_key,
    rid_of,
)
from schemas.partition import murmur2, partition_for
from schemas.records import NAMES, RECIPIENT_TRIGGERED
from schemas.topics import MAX_PARTITIONS
from schemas.varint import decode_long, encode_long

CODEC = Codec()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
LONGS = st.integers(-(2**63), 2**63 - 1)
PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "long": LONGS,
    "int": st.integers(-(2**31), 2**31 - 1),
    "string": TEXT,
    "bytes": st.binary(max_size=20),
    "boolean": st.booleans(),
    "null": st.none(),
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Return what a field of the Avro type *kind* may hold."""
    if isinstance(kind, list):
        return st.one_of([values(branch) for branch in kind])
    if isinstance(kind, str):
        return PRIMITIVES[kind]
    match kind["type"]:
        case "record":
            return st.fixed_dictionaries({f["name"]: values(f["type"]) for f in kind["fields"]})
        case "array":
            return st.lists(values(kind["items"]), max_size=3)
        case "map":
            return st.dictionaries(TEXT, values(kind["values"]), max_size=3)
        case "enum":
            return st.sampled_from(kind["symbols"])
        case other:
            return values(other)


RECORDS = {name: values(json.loads(schema_text(name))) for name in NAMES}
OFFICIAL = {name: avro.schema.parse(schema_text(name)) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_the_official_package_reads_what_we_write(name: str, data: st.DataObject) -> None:
    fields = data.draw(RECORDS[name])
    value = CODEC.encode(name, fields)
    body = io.BytesIO(value[len(CODEC.framing.prefixes[name]) :])
    reader = avro.io.DatumReader(OFFICIAL[name])
    assert reader.read(avro.io.BinaryDecoder(body)) == fields
    assert body.read() == b""


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_we_read_what_the_official_package_writes(name: str, data: st.DataObject) -> None:
    fields = data.draw(RECORDS[name])
    out = io.BytesIO()
    avro.io.DatumWriter(OFFICIAL[name]).write(fields, avro.io.BinaryEncoder(out))
    assert CODEC.decode(CODEC.framing.prefixes[name] + out.getvalue()) == (name, fields)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_a_record_read_in_two_parts_is_the_whole_record(name: str, data: st.DataObject) -> None:
    fields = data.draw(RECORDS[name])
    schema = current_schema(name)
    last = data.draw(st.sampled_from([field["name"] for field in schema["fields"]]))
    value = CODEC.encode(name, fields)
    _, start = CODEC.framing.split(value)
    body = io.BytesIO(value)
    body.seek(start)
    head = read(body, fields_until(schema, last))
    assert list(head)[-1] == last
    assert head | read(body, fields_after(schema, last)) == fields
    assert body.tell() == len(value)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_hostile_bytes_are_a_wire_error_or_a_record(name: str, data: st.DataObject) -> None:
    good = CODEC.encode(name, data.draw(RECORDS[name]))
    start = len(CODEC.framing.prefixes[name])
    at = data.draw(st.integers(start, len(good)))
    junk = data.draw(st.binary(max_size=40))
    value = good[:at] + junk + good[at + data.draw(st.integers(0, 20)) :]
    _decoded_or_refused(value)


@given(st.one_of(st.binary(max_size=60), st.builds(b"\xc3\x01".__add__, st.binary(max_size=40))))
def test_hostile_framing_is_a_wire_error_or_a_record(value: bytes) -> None:
    _decoded_or_refused(value)


def _decoded_or_refused(value: bytes) -> None:
    # Any other kind of exception fails the test.
    with suppress(WireError):
        name, fields = CODEC.decode(value)
        assert set(fields) == {field["name"] for field in current_schema(name)["fields"]}


@given(LONGS, st.binary(max_size=3))
def test_a_number_written_by_hand_is_read_back(number: int, rest: bytes) -> None:
    written = encode_long(number)
    assert decode_long(written + rest, 0) == (number, len(written))
    fields = {"seq": number, "applied": 0, "topic_id": "", "partitions": 0, "fold_version": 0}
    framed = CODEC.encode("PartitionMeta", fields)
    assert framed[10 : 10 + len(written)] == written


VISIBLE = st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="@")
PART = st.text(VISIBLE, min_size=1, max_size=10)
ADDRESSES = st.builds("{}@{}".format, PART, PART)


@given(st.one_of(ADDRESSES, ADDRESSES.map(str.upper)))
def test_the_identity_of_an_identity_is_itself(address: str) -> None:
    assert identity(identity(address)) == identity(address)


@given(st.text(max_size=30))
def test_any_text_has_an_identity_whatever_white_space_is_around_it(text: str) -> None:
    assert identity(f"\u3000 {text}\n") == identity(text)


# Letters that come back from upper case: not ß, dotless i or long s, which are others there.
LETTERS = st.characters(categories=["Ll", "Nd"]).filter(lambda c: c.upper().lower() == c)
NAMES_OF_PEOPLE = st.text(LETTERS | st.sampled_from(".+-_"), min_size=1, max_size=12)
DOMAINS = st.lists(
    st.text(
        st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789äöüéñçøя例"), min_size=1, max_size=8
    ),
    min_size=1,
    max_size=3,
).map(".".join)


@given(NAMES_OF_PEOPLE, DOMAINS, st.integers(0, 2**30), st.sampled_from(["", ".", " "]))
def test_case_variants_of_an_address_have_one_key(
    local: str, domain: str, which: int, end: str
) -> None:
    address = f"{local}@{domain}"
    variant = "".join(
        letter.upper() if which >> place & 1 else letter for place, letter in enumerate(address)
    )
    assert recipient_key(2, variant + end) == recipient_key(2, address)
    assert recipient_key(2, address.upper()) == recipient_key(2, address)


@given(NAMES_OF_PEOPLE)
def test_a_final_sigma_is_the_sigma_of_capitals(local: str) -> None:
    small, final, capital = (
        identity(f"{local}{sigma}@x.gr") for sigma in ("\u03c3", "\u03c2", "\u03a3")
    )
    assert small == final == capital


@given(st.binary(max_size=40), st.integers(1, MAX_PARTITIONS))
def test_a_key_meets_the_partition_another_client_gives_it(key: bytes, partitions: int) -> None:
    theirs = aiokafka_murmur2(key)
    assert murmur2(key) == theirs & 0xFFFFFFFF
    assert partition_for(key, partitions) == (theirs & 0x7FFFFFFF) % partitions


@given(st.integers(0, 2**43 - 3), st.integers(0, MAX_PARTITIONS - 1))
def test_a_rid_names_offset_and_partition_below_2_53(offset: int, partition: int) -> None:
    rid = rid_of(offset, partition)
    assert 0 < rid < 2**53
    assert (offset_of_rid(rid), partition_of_rid(rid)) == (offset, partition)


@given(st.data())
def test_a_prefix_is_all_the_fold_needs_of_an_event(data: st.DataObject) -> None:
    fields = data.draw(RECORDS[RECIPIENT_TRIGGERED])
    body = io.BytesIO(CODEC.encode(RECIPIENT_TRIGGERED, fields)[10:])
    head = read(body, fields_until(current_schema(RECIPIENT_TRIGGERED), "email"))
    assert head == {name: fields[name] for name in head}
    assert len(head) == 9
