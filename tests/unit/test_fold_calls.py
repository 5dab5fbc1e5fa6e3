"""Calls with an idempotency key: what the fold answers, keeps, forgets and refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from schemas import calls
from schemas.calls import ENTRY_MS, HOUR_MS, KEPT_MS, KEY_MS, call_key
from schemas.partition import partition_for
from schemas.records import Outcome
from tests.support.events import START_MS, Event, begun, defined, invoked, once, triggered
from tests.support.folding import HOME, PARTITIONS, Partition, at_home, dump, rebuilt

if TYPE_CHECKING:
    from streams.core.transition import LogRecord

KEYS = [k for k in map(str, range(99)) if partition_for(call_key(2, 1, k), PARTITIONS) == HOME]
KEY, OTHER_KEY = KEYS[:2]
(EMAIL,) = at_home("user@domain.com")
ENTRY = triggered(email=EMAIL, context=b'"a"')


def at(offset: int, event: Event, *, after_ms: int = 0) -> LogRecord:
    return offset, *event, START_MS + after_ms


def answers(partition: Partition) -> list[tuple[Any, ...]]:
    return [(a["outcome"], a["call"], a["begun_at"]) for _, a in partition.output.answers]


def test_a_call_begins_once_and_is_known_when_it_is_made_again() -> None:
    partition = Partition().run([at(7, begun(key=KEY)), at(8, begun(key=KEY), after_ms=KEY_MS - 1)])
    number = 8 * 1024 + HOME
    assert answers(partition) == [("BEGUN", number, START_MS), ("KNOWN", number, START_MS)]


@pytest.mark.parametrize("other", [{"digest": b"d" * 32}, {"count": 2}])
def test_another_call_does_not_get_its_key(other: dict[str, Any]) -> None:
    partition = Partition().run([at(0, begun(key=KEY)), at(1, begun(key=KEY, **other))])
    assert answers(partition)[1] == ("OTHER_CALL", 0, 0)


def test_a_day_later_the_key_is_free_again() -> None:
    again = begun(key=KEY, digest=b"d" * 32)
    partition = Partition().run([at(0, begun(key=KEY)), at(1, again, after_ms=KEY_MS)])
    assert answers(partition)[1] == ("BEGUN", 2 * 1024 + HOME, START_MS + KEY_MS)


def test_keys_of_other_mailings_are_other_keys() -> None:
    mids = [m for m in range(2, 99) if partition_for(call_key(2, m, KEY), PARTITIONS) == HOME]
    partition = Partition().run([at(0, begun(key=KEY)), at(1, begun(mid=mids[0], key=KEY))])
    assert [outcome for outcome, _, _ in answers(partition)] == ["BEGUN", "BEGUN"]


def test_too_many_calls_are_refused_until_older_ones_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.core.calls.MAX_KEPT", 4)
    partition = Partition().run(
        [
            at(0, begun(key=KEY, count=3)),
            at(1, begun(key=OTHER_KEY)),
            at(2, begun(key=OTHER_KEY), after_ms=KEPT_MS),
        ]
    )
    assert [outcome for outcome, _, _ in answers(partition)] == ["BEGUN", "TOO_MANY", "BEGUN"]


def test_an_entry_counts_once_also_across_an_invocation() -> None:
    entry, again = once(ENTRY), once(triggered(email=EMAIL, context=b'"a"', reply_partition=3))
    partition = Partition()
    partition.run([at(0, defined()), at(1, entry), at(2, again), at(3, invoked())])
    partition.drain_all().run([at(4, again), at(5, invoked())]).drain_all()
    created = (2 * 1024 + HOME, Outcome.CREATED)
    assert partition.outcomes() == [created] * 3
    assert [ack.reply_partition for ack in partition.output.acks] == [0, 3, 3]
    assert len(partition.output.sends) == 1
    mailing = partition.state.mailings[2, 1]
    assert (mailing.triggered, mailing.created, mailing.duplicates) == (1, 1, 0)


def test_entries_of_other_calls_and_other_indexes_are_other_entries() -> None:
    partition = Partition().run(
        [
            at(0, defined()),
            at(1, once(ENTRY)),
            at(2, once(ENTRY, call=2049)),
            at(3, once(triggered(email=EMAIL, context=b'"a"', index=1))),
        ]
    )
    outcomes = [outcome for _, outcome in partition.outcomes()]
    assert outcomes == [Outcome.CREATED, Outcome.DUPLICATE, Outcome.DUPLICATE]


def test_a_refusal_is_the_answer_of_the_call_too() -> None:
    partition = Partition().run([at(0, once(ENTRY)), at(1, defined()), at(2, once(ENTRY))])
    assert partition.outcomes() == [(0, Outcome.UNKNOWN_MAILING)] * 2


@pytest.mark.parametrize("after_ms", [ENTRY_MS, -HOUR_MS - 1])
def test_an_entry_that_is_too_late_or_too_early_is_a_dead_letter(after_ms: int) -> None:
    partition = Partition().run([at(0, defined()), at(1, once(ENTRY), after_ms=after_ms)])
    assert [letter.reason for letter in partition.output.dead_letters] == ["CALL_EXPIRED"]
    assert partition.outcomes() == [(0, Outcome.FAILED)]
    assert not partition.state.recipients.get(ENTRY[0] or b"")


def test_what_nobody_can_ask_for_is_forgotten_and_rolled_back_whole() -> None:
    partition = Partition().run([at(0, defined()), at(1, begun(key=KEY)), at(2, once(ENTRY))])
    partition.run([at(3, once(ENTRY, call=2049))])
    before = dump(partition.state)
    later = [
        at(4, begun(key=OTHER_KEY), after_ms=KEPT_MS),
        at(5, once(ENTRY, call=4097, begun_at=START_MS + KEPT_MS), after_ms=KEPT_MS),
    ]
    effects = partition.step(later)
    state = partition.state.calls
    assert [*state.calls] == [call_key(2, 1, OTHER_KEY)]
    assert len(state.answers) == 1
    deleted = [key for key, value in effects.state if value is None]
    assert deleted == [b"k:" + call_key(2, 1, KEY), b"o:2", b"o:3"]
    partition.fold.rollback()
    assert dump(partition.state) == before

    partition.run(later)
    assert dump(rebuilt(partition.output.changelog).state) == dump(partition.state)


def test_a_state_that_is_restored_knows_calls_and_answers() -> None:
    partition = Partition().run([at(0, defined()), at(1, begun(key=KEY)), at(2, once(ENTRY))])
    restored = rebuilt(partition.output.changelog)
    restored.run([at(3, begun(key=KEY)), at(4, once(ENTRY))])
    assert answers(restored) == [("KNOWN", 2 * 1024 + HOME, START_MS)]
    assert restored.outcomes() == [(3 * 1024 + HOME, Outcome.CREATED)]


@pytest.mark.parametrize(
    "event",
    [
        begun(key=""),
        begun(key="k" * 256),
        begun(key=KEY, digest=b"short"),
        begun(key=KEY, count=0),
        begun(key=KEY, count=100_001),
        begun(mid=0, key=KEY),
        (b"2:!1:x", begun(key=KEY)[1]),
        begun(key=next(k for k in map(str, range(99)) if k not in KEYS)),
        once(ENTRY, call=0),
        (b"2:other@b.org", once(ENTRY)[1]),
        (ENTRY[0], (once(ENTRY)[1] or b"")[:-3]),
        (ENTRY[0], (once(ENTRY)[1] or b"")[:14]),
    ],
)
def test_what_is_no_call_is_a_dead_letter(event: Event) -> None:
    partition = Partition().run([at(0, defined()), at(1, event)])
    assert [letter.offset for letter in partition.output.dead_letters] == [1]
    assert not partition.state.calls.calls
    assert not partition.state.calls.answers


def test_times_leave_room_for_clocks_that_differ() -> None:
    assert calls.SKEW_MS <= ENTRY_MS - KEY_MS
    assert calls.SKEW_MS <= KEPT_MS - ENTRY_MS
