"""Transactions end in records that rebuild the state, and can be taken back."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from fastavro import schemaless_writer

from schemas.errors import BadRecord
from schemas.framing import SINGLE_OBJECT_MAGIC, Writer, fingerprint, schema_text, writer_of
from schemas.ids import rid_of
from schemas.records import (
    PARTITION_META,
    PENDING_STATE,
    RECIPIENT_BATCH,
    RECIPIENT_STATE,
    RECIPIENT_TRIGGERED,
    DedupPolicy,
    Outcome,
)
from schemas.topics import MAX_ACK_ENTRIES
from streams.core import restore
from streams.core.changelog import META_KEY
from streams.core.errors import NewerState
from streams.core.partition import FOLD_VERSION
from tests.support.events import CODEC, START_MS, defined, invoked, log_of, triggered
from tests.support.folding import (
    HOME,
    PARTITIONS,
    TOPIC_ID,
    Partition,
    acks_of,
    at_home,
    dump,
    rebuilt,
)

if TYPE_CHECKING:
    from streams.core.recipients import ChangelogRecord


FIVE = at_home(*(f"{n}@b.org" for n in range(5)))
A, B, *_ = FIVE
KEPT = (RECIPIENT_STATE, RECIPIENT_BATCH, PENDING_STATE, RECIPIENT_TRIGGERED)


class OlderRelease:
    """Writes the records *names* with a field since dropped in front, and one not yet there."""

    def __init__(self, names: set[str]) -> None:
        self.frames: dict[str, bytes] = {}
        self.writers: dict[bytes, Writer] = {}
        for name in names:
            schema = json.loads(schema_text(name))
            later = [field for field in schema["fields"] if field["name"] != "profileData"]
            schema["fields"] = [{"name": "since_dropped", "type": "long"}, *later]
            text = json.dumps(schema)
            self.frames[name] = SINGLE_OBJECT_MAGIC + fingerprint(text)
            self.writers[self.frames[name]] = writer_of(text)

    def rewritten(self, value: bytes | None) -> bytes | None:
        """A changelog record as this release would have written it, with all that is inside."""
        if not value:
            return value
        name, fields = CODEC.decode(value)
        if name == PENDING_STATE:
            for kept in fields["messages"]:
                kept |= {inner: self.rewritten(kept[inner]) for inner in ("recipient", "event")}
        if name == RECIPIENT_BATCH:
            for kept in fields["recipients"]:
                kept["recipient"] = self.rewritten(kept["recipient"])
        if name not in self.frames:
            return CODEC.encode(name, fields)
        out = BytesIO()
        writer = self.writers[self.frames[name]]
        schemaless_writer(out, writer.schema, fields | {"since_dropped": 7})
        return self.frames[name] + out.getvalue()


def meta(**changed: object) -> bytes:
    record = {
        "seq": 1,
        "applied": 0,
        "topic_id": TOPIC_ID,
        "partitions": PARTITIONS,
        "fold_version": FOLD_VERSION,
    }
    return CODEC.encode(PARTITION_META, record | changed)


def test_the_last_record_of_a_transaction_says_how_far_the_state_goes() -> None:
    partition = Partition().run(log_of([defined()])).run(log_of([triggered(email=A)], start=7))
    key, value = partition.output.changelog[-1]
    assert key == META_KEY
    assert CODEC.decode(value)[1] == {
        "seq": 2,
        "applied": 7,
        "topic_id": TOPIC_ID,
        "partitions": PARTITIONS,
        "fold_version": FOLD_VERSION,
        "applied_at": START_MS + 7000,
    }


def test_a_transaction_writes_each_mailing_it_changed_once_and_no_other() -> None:
    partition = Partition().run(log_of([defined(), defined(4, 1)]))
    partition.output.changelog.clear()
    events = [triggered(email=A), triggered(email=A), triggered(email=B)]
    partition.run(log_of(events, start=2))
    assert [key for key, _ in partition.output.changelog if key.startswith(b"m:")] == [b"m:2:1"]


def test_state_of_a_newer_release_is_refused_with_the_cure() -> None:
    newer = rf"fold version {FOLD_VERSION + 1}, this worker knows {FOLD_VERSION}: run a release"
    with pytest.raises(NewerState, match=newer):
        rebuilt([(META_KEY, meta(fold_version=FOLD_VERSION + 1))])


def test_a_changelog_key_we_never_wrote_is_refused() -> None:
    with pytest.raises(BadRecord, match="a key we never wrote"):
        rebuilt([(b"q:1", b"")])


@pytest.mark.parametrize(
    "older",
    [{name} for name in KEPT] + [set(KEPT)],
    ids=lambda names: " ".join(sorted(names)),
)
def test_a_message_an_older_release_kept_is_loaded_and_sent_as_todays(
    older: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    live = Partition().run(
        log_of(
            [
                defined(),
                triggered(email=A, firstName="John", city="Århus", smsSubscribed=False),
                triggered(email=A, context=b"2", firstName="Jo", smsSubscribed=True),
                triggered(rid=rid_of(1, HOME), context=b"3"),
            ]
        )
    )
    release = OlderRelease(older)
    for frame, writer in release.writers.items():
        monkeypatch.setitem(restore._CODEC.framing.writers, frame, writer)
    written = [(key, release.rewritten(value)) for key, value in live.output.changelog]
    assert written != live.output.changelog
    restored = rebuilt(written)
    assert dump(restored.state) == dump(live.state)
    for partition in (live, restored):
        partition.run(log_of([triggered(email=A, context=b"3"), invoked()], start=4)).drain_all()
    assert restored.outcomes() == [(rid_of(1, HOME), Outcome.DUPLICATE)]
    assert restored.output.sends == live.output.sends
    assert [(send["firstName"], send["smsSubscribed"]) for send in restored.sends()] == [
        ("John", False),
        ("Jo", False),
        ("John", False),
    ]


def test_recipients_an_older_release_wrote_one_by_one_are_loaded() -> None:
    live = Partition().run(log_of([defined(), *(triggered(email=email) for email in FIVE)]))
    written: list[ChangelogRecord] = []
    for key, value in live.output.changelog:
        if key.startswith(b"b:"):
            batch = CODEC.decode(value)[1]["recipients"]
            written += [(b"r:" + kept["key"], kept["recipient"]) for kept in batch]
        else:
            written.append((key, value))
    assert len(written) == len(live.output.changelog) + len(FIVE) - 1
    assert dump(rebuilt(written).state) == dump(live.state)


def test_a_changelog_without_its_recipients_is_refused() -> None:
    with pytest.raises(BadRecord, match="deletes recipients"):
        rebuilt([(b"b:1024", None)])


def test_a_drain_under_way_goes_on_after_a_restore() -> None:
    events = [triggered(email=email) for email in FIVE]
    live = Partition()
    for event in log_of([defined(), *events, invoked()]):
        live.run([event])
    live.run(drain=2)
    restored = rebuilt(live.output.changelog)
    assert dump(restored.state) == dump(live.state)
    assert [send["email"] for send in restored.drain_all(slice_size=2).sends()] == FIVE[2:]
    assert restored.state.mailings[2, 1].pending == 0


def test_a_rolled_back_policy_there_and_back_leaves_no_dedup_key() -> None:
    partition = Partition().run(log_of([defined(), triggered(email=B)]))
    before = dump(partition.state)
    there_and_back = [
        defined(dedup=DedupPolicy.RECIPIENT),
        triggered(email=A),
        defined(dedup=DedupPolicy.RECIPIENT_CONTEXT),
    ]
    partition.step(log_of(there_and_back, start=2))
    partition.fold.rollback()
    assert dump(partition.state) == before


def test_a_rolled_back_cut_and_drain_put_every_message_back_in_its_place() -> None:
    events = [triggered(email=email) for email in FIVE[:4]]
    partition = Partition().run(log_of([defined(), *events]))
    before = dump(partition.state)
    partition.step(log_of([invoked()], start=5), drain=2)
    partition.step(log_of([triggered(email=A)], start=6), drain=1)
    partition.step(drain=100)
    partition.fold.rollback()
    assert dump(partition.state) == before
    partition.run(log_of([triggered(email=A)], start=5))
    assert partition.outcomes()[-1][1].name == "DUPLICATE"


def test_a_call_larger_than_an_ack_record_is_answered_in_several() -> None:
    size = MAX_ACK_ENTRIES + 1
    events = [triggered(mid=5, email=A, index=index) for index in range(size)]
    partition = Partition()
    effects = partition.step(log_of(events))
    acks = acks_of(effects.take_replies())
    assert [ack.entry for ack in acks] == list(range(size))
    assert not effects.replies


def test_offsets_need_not_follow_one_another() -> None:
    partition = Partition().run(log_of([defined()]))
    partition.run([(50, *triggered(email=A), 0), (50, *triggered(email=B), 0)])
    assert partition.state.applied == 50
    assert partition.outcomes()[0][0] == 51 * 1024 + HOME
    assert len(partition.outcomes()) == 1
