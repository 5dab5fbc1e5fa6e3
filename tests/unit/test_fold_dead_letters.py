"""A record that cannot be folded is laid aside with its reason; what follows is unharmed."""

from __future__ import annotations

import pytest

from schemas.codec import Codec
from schemas.errors import UnknownFraming
from schemas.framing import Framing, schema_text
from schemas.ids import rid_of
from schemas.records import NAMES, RECIPIENT_TRIGGERED, Origin, Outcome
from schemas.varint import encode_bytes
from streams.core.effects import Effects
from streams.core.errors import StateError
from streams.core.transition import Fold
from tests.support.events import (
    CODEC,
    START_MS,
    Event,
    defined,
    invoked,
    log_of,
    queried,
    triggered,
)
from tests.support.folding import HOME, Partition, at_home, dump, lives_here, none_is_ordinary

A, A_SHOUTED, B, C = at_home("user@domain.com", "User@domain.com", "b@b.org", "c@b.org")
AWAY = "stranger@domain.com"
assert not lives_here(AWAY)
KEY, GOOD = triggered(email=A)
assert GOOD is not None
# The address's length in two bytes, where Avro writes one.
LONG_LENGTH = GOOD.replace(encode_bytes(A.encode()), bytes([2 * len(A) | 0x80, 0]) + A.encode())


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ((KEY, None), "EMPTY"),
        ((KEY, b""), "EMPTY"),
        ((KEY, b"\x42" + GOOD), "WRONG_MAGIC"),
        ((KEY, b"\x00\x00"), "TRUNCATED"),
        ((KEY, GOOD[:2] + bytes(8) + GOOD[10:]), "UNKNOWN_FINGERPRINT"),
        ((KEY, GOOD[:10]), "TRUNCATED"),
        ((KEY, GOOD[:20]), "TRUNCATED"),
        ((KEY, GOOD[:-1]), "TRUNCATED"),
        ((KEY, GOOD + b"\x00"), "TRAILING_BYTES"),
        ((f"2:{B}".encode(), GOOD), "FOREIGN_KEY"),
        ((f"3:{A}".encode(), GOOD), "FOREIGN_KEY"),
        ((f"2:{A_SHOUTED}".encode(), GOOD), "FOREIGN_KEY"),
        ((None, GOOD), "FOREIGN_KEY"),
        ((KEY, triggered(rid=rid_of(1, HOME))[1]), "FOREIGN_KEY"),
        (triggered(rid=rid_of(1, HOME + 1)), "FOREIGN_KEY"),
        (triggered(email=AWAY), "NOT_HOME"),
        (triggered(email="user"), "NO_RECIPIENT"),
        (triggered(email=A, reply_partition=8), "BAD_REPLY_PARTITION"),
        (triggered(email=A, reply_partition=-2), "BAD_REPLY_PARTITION"),
        (triggered(email=A, request_id="r" * 65), "BAD_REQUEST_ID"),
        (triggered(email=A, index=-1), "BAD_FIELD"),
        (triggered(email=A, status=2), "BAD_FIELD"),
        (triggered(0, email=A), "BAD_FIELD"),
        (triggered(mid=0, email=A), "BAD_FIELD"),
        (triggered(rid=-1), "BAD_FIELD"),
        (triggered(email="a\nb@domain.com"), "BAD_ADDRESS"),
        (triggered(email="a" * 250 + "@b.org"), "BAD_ADDRESS"),
        (triggered(email=A, context=bytes(600 * 1024)), "OVERSIZED"),
        (defined(name=""), "BAD_FIELD"),
        (defined(name="n" * 501), "BAD_FIELD"),
        (defined(interval_s=-1), "BAD_FIELD"),
        (defined(origin=Origin.TIMER), "BAD_FIELD"),
        (defined(origin=Origin.COPY, revision=7), "NOT_HOME"),
        (defined(2, 9), "NOT_HOME"),
        (invoked(2, 9), "NOT_HOME"),
        ((KEY, CODEC.encode("PoisonState", {"reason": "", "detail": ""})), "NOT_AN_EVENT"),
    ],
)
def test_what_cannot_be_folded_is_a_dead_letter_and_the_next_event_is_unharmed(
    event: Event, reason: str
) -> None:
    partition = Partition().run(log_of([defined(), event, triggered(email=A)]))
    (letter,) = partition.output.dead_letters
    assert (letter.offset, letter.reason) == (1, reason)
    assert (letter.key, letter.value) == event
    assert partition.outcomes()[-1] == (rid_of(2, HOME), Outcome.CREATED)
    poison = dict(partition.output.changelog)[b"x:1"]
    assert CODEC.decode(poison)[1]["reason"] == reason


def test_a_length_written_longer_than_need_be_does_not_damage_the_recipient() -> None:
    log = log_of([defined(), (KEY, LONG_LENGTH), triggered(email=A, context=b"2"), invoked()])
    partition = Partition().run(log).drain_all()
    assert [send["email"] for send in partition.sends()] == [A, A]


@pytest.mark.parametrize(
    ("broken", "event"),
    [
        ("streams.core.transition.apply_trigger", triggered(email=B)),
        ("streams.core.trigger.head_of", triggered(email=A, context=b"2")),
        ("streams.core.trigger.identity", triggered(rid=rid_of(1, HOME), email=A)),
        ("streams.core.trigger.pack", triggered(email=B)),
        ("streams.core.partition.PartitionState.open_batch", triggered(email=B)),
        ("streams.core.partition.PartitionState.open_batch", triggered(email=A, context=b"2")),
        ("streams.core.trigger.dedup_key", triggered(email=B)),
        ("streams.core.control.partition_for", defined(name="New")),
        ("streams.core.partition.Mailing.record", queried(2, 1)),
    ],
)
def test_an_event_on_which_the_fold_raises_leaves_no_trace_and_is_answered(
    monkeypatch: pytest.MonkeyPatch, broken: str, event: Event
) -> None:
    partition = Partition().run(log_of([defined(), triggered(email=A)]))
    before = dump(partition.state, with_seq=False) | {"applied": (2, START_MS + 2000)}

    def failing(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr("streams.core.transition.fold_run", none_is_ordinary)
        patch.setattr(broken, failing)
        partition.run(log_of([event], start=2))
    assert dump(partition.state, with_seq=False) == before
    (letter,) = partition.output.dead_letters
    assert (letter.offset, letter.reason) == (2, "FOLD_RAISED")
    assert "domain.com" not in letter.detail
    replies = [ack.outcome.name for ack in partition.output.acks[1:]]
    replies += [answer["outcome"] for _, answer in partition.output.answers[1:]]
    assert replies == ["FAILED"]
    partition.run(log_of([triggered(email=C)], start=3))
    assert partition.outcomes()[-1] == (rid_of(3, HOME), Outcome.CREATED)


@pytest.mark.parametrize("error", [MemoryError, OSError, StateError])
def test_a_failing_machine_is_no_reason_to_bury_an_event(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    partition = Partition().run(log_of([defined()]))

    def failing(_: bytes) -> None:
        raise error

    partition.fold.begin()
    effects = Effects()
    with monkeypatch.context() as patch:
        patch.setattr(partition.state.recipients, "get", failing)
        with pytest.raises(error):
            partition.fold.apply(log_of([triggered(email=A)], start=1), effects, {})
    assert partition.state.applied == 0
    assert effects.dead_letters == []


def test_an_event_named_as_poison_is_buried_and_answered() -> None:
    log = log_of([defined(), triggered(email=A), triggered(email=B)])
    partition = Partition().run(log, poison={1: "SEND_REFUSED"})
    assert [letter.reason for letter in partition.output.dead_letters] == ["SEND_REFUSED"]
    assert partition.outcomes() == [(0, Outcome.FAILED), (rid_of(2, HOME), Outcome.CREATED)]


@pytest.mark.parametrize("event", [triggered(email="user"), triggered(rid=rid_of(1, HOME + 1))])
def test_a_caller_hears_of_its_dead_letter(event: Event) -> None:
    partition = Partition().run(log_of([defined(), event]))
    assert partition.outcomes() == [(0, Outcome.FAILED)]


def test_a_request_away_from_home_is_answered_as_failed() -> None:
    partition = Partition().run(log_of([defined(2, 9, request_id="r", reply_partition=3)]))
    ((to, answer),) = partition.output.answers
    assert (to, answer["request_id"], answer["outcome"]) == (3, "r", "FAILED")


def test_an_unknown_schema_id_stops_the_fold_until_it_is_learnt() -> None:
    ids = {name: number for number, name in enumerate(NAMES, 100)}
    there = Codec(Framing(ids))
    value = there.encode(RECIPIENT_TRIGGERED, CODEC.decode(GOOD)[1])
    framing = Framing()
    partition = Partition()
    partition.fold = Fold(partition.state, framing)
    log = [*log_of([defined()]), (1, KEY, value, 0), *log_of([invoked()], start=2)]
    effects = Effects()
    partition.fold.begin()
    with pytest.raises(UnknownFraming) as raised:
        partition.fold.apply(log, effects, {})
    assert raised.value.schema_id == ids[RECIPIENT_TRIGGERED]
    assert partition.state.applied == 0
    framing.learn(ids[RECIPIENT_TRIGGERED], schema_text(RECIPIENT_TRIGGERED))
    partition.fold.learn_framing()
    partition.fold.apply(log, effects, {})
    partition.fold.seal(effects)
    partition.fold.commit()
    partition.output.take(effects)
    assert partition.outcomes() == [(rid_of(1, HOME), Outcome.CREATED)]
    assert partition.drain_all().sends()[0]["email"] == A


def test_a_schema_id_that_no_registry_knows_can_be_named_as_poison() -> None:
    value = b"\x00\x00\x00\x00\x07body"
    partition = Partition().run(log_of([(KEY, value)]), poison={0: "UNKNOWN_SCHEMA_ID"})
    assert [letter.reason for letter in partition.output.dead_letters] == ["UNKNOWN_SCHEMA_ID"]
