"""Rows of statistics: what one says, which mailings are behind, and when rows are written."""

from __future__ import annotations

from typing import Any

from schemas.ids import mailing_key
from schemas.records import DedupPolicy
from streams.core.effects import Effects
from streams.core.statistic_rows import behind
from streams.worker.statistics_pace import EVERY_S, MOST_ROWS, StatisticsPace
from streams.worker.transaction import Part
from tests.support.events import CODEC, START_MS, Event, defined, invoked, log_of, triggered
from tests.support.folding import HOME, Partition, at_home, rebuilt

A, B, C = at_home("a@b.org", "b@b.org", "c@b.org")
IDENT = (2, 1)


class Worker:
    """A partition and the pace of its rows, at a time that the test sets."""

    def __init__(self, partition: Partition | None = None) -> None:
        self.partition = partition or Partition()
        self.now = 100.0
        self.pace = StatisticsPace(lambda: self.now)
        self.folded = 0

    def build(self, *events: Event, drain: int = 0) -> list[dict[str, Any]]:
        """Return the rows of a transaction, which stays open."""
        fold, effects = self.partition.fold, Effects()
        fold.begin()
        fold.apply(log_of(events, start=self.folded), effects, {})
        fold.drain(drain, effects)
        self.pace.report(Part(fold, 1, effects))
        fold.seal(effects)
        self.partition.output.changelog += effects.state
        self.folded += len(events)
        return [CODEC.decode(value)[1] for _, value in effects.statistics]

    def ship(self, *events: Event, drain: int = 0) -> list[dict[str, Any]]:
        """Return the rows of a transaction, which is committed."""
        rows = self.build(*events, drain=drain)
        self.partition.fold.commit()
        return rows

    def abort(self) -> None:
        """Undo what is open."""
        self.partition.fold.rollback()
        self.folded = self.partition.state.applied + 1

    def due(self) -> bool:
        return self.pace.due(self.partition.state)


def test_a_row_balances_and_says_as_of_which_event() -> None:
    worker = Worker()
    worker.ship(
        defined(dedup=DedupPolicy.RECIPIENT, name="Hello"),
        triggered(email=A),
        triggered(email=A),
        triggered(email=B, status=0),
        triggered(rid=1024 + HOME),
        invoked(),
        triggered(email=A),
        triggered(email=C),
    )
    worker.now += EVERY_S
    (row,) = worker.ship(drain=1)

    assert row == {
        "orgid": 2,
        "mid": 1,
        "partition": HOME,
        "revision": 2,
        "name": "Hello",
        "type": "api-triggered",
        "state": "ACTIVE",
        "triggered": 6,
        "created": 3,
        "known": 1,
        "duplicates": 1,
        "suppressed": 1,
        "rejected": 1,
        "pending": 2,
        "sent": 1,
        "offset": 7,
        "log_time": START_MS + 7000,
    }
    assert row["created"] + row["known"] == row["pending"] + row["sent"] + row["suppressed"]


def test_what_waits_is_counted_and_not_reckoned() -> None:
    worker = Worker()
    worker.ship(defined(), triggered(email=A), invoked(), triggered(email=B))
    worker.partition.state.mailings[IDENT].created += 5
    worker.now += EVERY_S
    (row,) = worker.ship(triggered(email=C))

    assert (row["created"], row["pending"]) == (8, 3)


def test_a_row_has_the_key_of_its_mailing() -> None:
    partition, effects = Partition(), Effects()
    partition.run(log_of([defined()]))
    partition.fold.begin()
    partition.fold.report([IDENT], effects)

    assert [key for key, _ in effects.statistics] == [mailing_key(*IDENT)]


def test_a_mailing_has_at_most_one_row_a_second_and_the_last_change_follows() -> None:
    worker = Worker()
    assert [row["triggered"] for row in worker.ship(defined())] == [0]
    worker.now += EVERY_S / 2
    assert worker.ship(triggered(email=A)) == []
    assert worker.ship(triggered(email=B)) == []
    assert not worker.due()
    worker.now += EVERY_S / 2
    assert worker.due()
    assert [row["triggered"] for row in worker.ship()] == [2]
    worker.now += 10 * EVERY_S
    assert not worker.due()
    assert worker.ship() == []


def test_a_row_whose_transaction_failed_is_written_again() -> None:
    worker = Worker()
    worker.ship(defined())
    worker.ship(triggered(email=A))
    worker.now += EVERY_S
    assert len(worker.build()) == 1
    worker.abort()
    assert behind(worker.partition.state) == [IDENT]
    worker.now += EVERY_S
    assert [row["triggered"] for row in worker.ship()] == [1]


def test_a_mailing_whose_definition_was_undone_has_no_row() -> None:
    worker = Worker()
    worker.build(defined())
    worker.abort()
    worker.now += EVERY_S

    assert not worker.due()
    assert worker.ship() == []


def test_whoever_takes_over_writes_every_row_for_nobody_knows_which_were() -> None:
    worker = Worker()
    worker.ship(defined(), defined(4, 3, reply_partition=-1))
    successor = Worker(rebuilt(worker.partition.output.changelog))
    rows = successor.ship()

    assert {row["mid"] for row in rows} <= {mid for _, mid in successor.partition.state.mailings}
    assert len(rows) == len(successor.partition.state.mailings)
    assert {row["log_time"] for row in rows} == {START_MS + 1000}
    successor.now += EVERY_S
    assert not successor.due()


def test_a_round_of_many_rows_takes_several_transactions_and_has_each_mailing_once() -> None:
    worker = Worker()
    state = worker.partition.state
    worker.partition.run(log_of([defined()]))
    before = state.mailings[IDENT]
    for mid in range(1, MOST_ROWS + 11):
        state.mailings[2, mid] = before
        state.unreported[2, mid] = None
    first = worker.ship()
    assert len(first) == MOST_ROWS
    assert worker.due()
    assert len(worker.ship()) == 10
    assert worker.ship() == []
