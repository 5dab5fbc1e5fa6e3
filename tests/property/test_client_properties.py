"""Fast paths of the client equal the plain ones, whatever the entry."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.acks import read_acks
from producers.contract.entries import KnownEntry, OnTheFlyEntry
from producers.events import Begun, EventWriter
from producers.outgoing import slices
from producers.peek import place_of_event
from producers.window import MAX_WINDOW, MIN_WINDOW, Window
from schemas.codec import Codec
from schemas.errors import BadRecord
from schemas.framing import SINGLE_OBJECT_BYTES, Framing
from schemas.ids import recipient_key, rid_key
from schemas.partition import partition_for
from schemas.profiles import read_profile, write_profile
from schemas.records import (
    ACKNOWLEDGEMENT,
    NAMES,
    RECIPIENT_TRIGGERED,
    TRIGGERED_ONCE,
    Outcome,
)
from schemas.varint import encode_bytes, encode_long

CODECS = [Codec(), Codec(Framing({name: number for number, name in enumerate(NAMES, 7)}))]

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
ids = st.integers(1, 2**53 - 1)
longs = st.integers(-(2**63), 2**63 - 1) | st.integers(-70, 300)
ints = st.integers(-(2**31), 2**31 - 1) | st.integers(-70, 300)
request_ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64)
fields = st.fixed_dictionaries(
    {},
    optional={
        "firstName": text,
        "city": text,
        "phone2": text,
        "contentType": st.sampled_from([1, 2, 3]),
        "smsContact": text,
        "smsSubscribed": st.booleans(),
        "profileData": st.dictionaries(text, text, max_size=5),
    },
)
profiles = fields.map(write_profile)
indexes = st.integers(0, 99_999)
contexts = st.binary(max_size=2000)
entries = st.one_of(
    st.builds(
        OnTheFlyEntry,
        indexes,
        text,
        st.sampled_from([None, 0, 1, 3]),
        contexts,
        profiles,
    ),
    st.builds(KnownEntry, indexes, ids, st.none() | text, contexts, profiles),
)


@given(st.sampled_from(CODECS), ids, ids, request_ids, st.integers(-1, 7), entries)
def test_an_event_written_quickly_is_the_event_written_plainly(
    codec: Codec, orgid: int, mid: int, request_id: str, reply: int, entry: OnTheFlyEntry
) -> None:
    begun = Begun(orgid, mid) if reply % 2 else None
    writer = EventWriter(
        codec,
        orgid=orgid,
        mid=mid,
        request_id=request_id,
        reply_partition=reply,
        begun=begun,
    )
    value = writer.encode(entry)
    assert value == writer.encode_plain(entry)
    assert place_of_event(codec.framing, value) == (request_id, entry.index)
    name, record = codec.decode(value)
    assert name == (TRIGGERED_ONCE if begun else RECIPIENT_TRIGGERED)
    assert record["email"] == (entry.email or "")
    assert record["context"] == entry.context


@given(fields)
def test_a_profile_written_by_hand_is_the_end_of_an_event_by_fastavro(
    given: dict[str, Any],
) -> None:
    profile = write_profile(given)
    assert read_profile(profile) == given
    head = dict.fromkeys(("orgid", "mid", "index", "reply_partition", "rid", "status"), 0)
    event = {**head, "request_id": "", "context": b"", "email": "", **given}
    assert CODECS[0].encode(RECIPIENT_TRIGGERED, event)[SINGLE_OBJECT_BYTES + 9 :] == profile


@given(st.lists(entries, max_size=40), st.integers(1, 1024))
def test_every_event_goes_to_its_partition_in_order_or_is_refused(
    call: list[OnTheFlyEntry | KnownEntry], partitions: int
) -> None:
    writer = EventWriter(CODECS[0], orgid=2, mid=1, request_id="r", reply_partition=0)
    expected: dict[int, list[tuple[bytes, bytes]]] = {}
    homeless = []
    for entry in call:
        if isinstance(entry, KnownEntry):
            key, partition = rid_key(2, entry.rid), entry.rid % 1024
        else:
            key = recipient_key(2, entry.email)
            partition = partition_for(key, partitions)
        if partition < partitions:
            expected.setdefault(partition, []).append((key, writer.encode_plain(entry)))
        else:
            homeless.append((entry.index, (Outcome.UNKNOWN_RECIPIENT, 0)))
    produced: dict[int, list[tuple[bytes, bytes]]] = {}
    refused = []
    for piece in slices(call, writer, orgid=2, partitions=partitions):
        refused += piece.refused
        for partition, events in piece.batches:
            produced.setdefault(partition, []).extend(events)
    assert produced == expected
    assert refused == homeless


outcomes = st.sampled_from([outcome.name for outcome in Outcome])
acks = st.lists(
    st.fixed_dictionaries(
        {
            "request_id": text,
            "entries": st.lists(
                st.fixed_dictionaries({"index": ints, "rid": longs, "outcome": outcomes}),
                max_size=5,
            ),
        }
    ),
    max_size=5,
)


@given(acks, st.binary(max_size=3), st.integers(0, 30))
def test_acks_read_by_hand_are_what_fastavro_reads(
    calls: list[dict[str, Any]], more: bytes, less: int
) -> None:
    value = CODECS[0].encode(ACKNOWLEDGEMENT, {"calls": calls})
    assert read_acks(value, SINGLE_OBJECT_BYTES) == _answers(calls)
    for damaged in (value + more, value[: len(value) - less], value[:SINGLE_OBJECT_BYTES] + more):
        try:
            found = read_acks(damaged, SINGLE_OBJECT_BYTES)
        except BadRecord:
            continue
        assert found == _answers(CODECS[0].decode(damaged)[1]["calls"])


def test_acks_with_a_number_of_more_than_64_bits_are_none() -> None:
    for lowest in (b"\xfe", b"\xff"):
        value = CODECS[0].framing.prefixes[ACKNOWLEDGEMENT] + lowest + b"\xff" * 8 + b"\x7f\x00"
        with pytest.raises(BadRecord):
            read_acks(value, SINGLE_OBJECT_BYTES)


@given(acks)
def test_acks_in_any_blocks_of_avro_are_read(calls: list[dict[str, Any]]) -> None:
    def blocks(items: list[bytes]) -> bytes:
        # The first alone, the second with its size in front, the others together.
        first, second, rest = items[:1], items[1:2], items[2:]
        sized = b"".join(b"\x01" + encode_long(len(item)) + item for item in second)
        last = encode_long(len(rest)) + b"".join(rest) if rest else b""
        return b"".join(b"\x02" + item for item in first) + sized + last + b"\x00"

    def body(call: dict[str, Any]) -> bytes:
        entries = [
            encode_long(entry["index"])
            + encode_long(entry["rid"])
            + encode_long(Outcome[entry["outcome"]])
            for entry in call["entries"]
        ]
        return encode_bytes(call["request_id"].encode()) + blocks(entries)

    value = CODECS[0].framing.prefixes[ACKNOWLEDGEMENT] + blocks([body(call) for call in calls])
    assert CODECS[0].decode(value)[1] == {"calls": calls}
    assert read_acks(value, SINGLE_OBJECT_BYTES) == _answers(calls)


def _answers(calls: list[dict[str, Any]]) -> list[tuple[str, list[tuple[int, Any]]]]:
    return [
        (
            call["request_id"],
            [(each["index"], (Outcome[each["outcome"]], each["rid"])) for each in call["entries"]],
        )
        for call in calls
    ]


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10)), max_size=200))
def test_a_window_stays_between_its_bounds(answers: list[tuple[float, float]]) -> None:
    window = Window()
    for sent_at, delay_s in answers:
        window.answered(sent_at=sent_at, answered_at=sent_at + delay_s)
        assert MIN_WINDOW <= window.size <= MAX_WINDOW
