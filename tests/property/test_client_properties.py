"""Fast paths of the client equal the plain ones, whatever the entry."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from producers.contract.entries import KnownEntry, OnTheFlyEntry
from producers.events import EventWriter
from producers.outgoing import slices
from producers.peek import place_of_event
from producers.window import MAX_WINDOW, MIN_WINDOW, Window
from schemas.codec import Codec
from schemas.framing import Framing
from schemas.records import NAMES, RECIPIENT_TRIGGERED

CODECS = [Codec(), Codec(Framing({name: number for number, name in enumerate(NAMES, 7)}))]

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
ids = st.integers(1, 2**53 - 1)
request_ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64)
profiles = st.fixed_dictionaries(
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
    writer = EventWriter(codec, orgid=orgid, mid=mid, request_id=request_id, reply_partition=reply)
    value = writer.encode(entry)
    assert value == writer.encode_plain(entry)
    assert place_of_event(codec.framing, value) == (request_id, entry.index)
    name, record = codec.decode(value)
    assert name == RECIPIENT_TRIGGERED
    assert record["email"] == (entry.email or "")
    assert record["context"] == entry.context


@given(st.lists(entries, max_size=40), st.integers(1, 1024))
def test_every_entry_is_in_one_batch_in_order_or_refused(
    call: list[OnTheFlyEntry | KnownEntry], partitions: int
) -> None:
    writer = EventWriter(CODECS[0], orgid=2, mid=1, request_id="r", reply_partition=0)
    produced: dict[tuple[int, bytes], list[bytes]] = {}
    refused = 0
    for piece in slices(call, writer, orgid=2, partitions=partitions):
        refused += len(piece.refused)
        for partition, events in piece.batches:
            for event in events:
                produced.setdefault((partition, event["key"]), []).append(event["value"])
    assert sum(map(len, produced.values())) + refused == len(call)
    expected: dict[bool, list[bytes]] = {True: [], False: []}
    for entry in call:
        if isinstance(entry, OnTheFlyEntry) or entry.rid % 1024 < partitions:
            expected[isinstance(entry, KnownEntry)].append(writer.encode(entry))
    for (partition, _), values in produced.items():
        order = expected[partition >= 0]
        assert [v for v in order if v in values][: len(values)] == values


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10)), max_size=200))
def test_a_window_stays_between_its_bounds(answers: list[tuple[float, float]]) -> None:
    window = Window()
    for sent_at, delay_s in answers:
        window.answered(sent_at=sent_at, answered_at=sent_at + delay_s)
        assert MIN_WINDOW <= window.size <= MAX_WINDOW
