"""The table of statistics: sums of partitions, and whether each row adds up."""

from __future__ import annotations

import pytest

from producers.mailing_statistics import StatisticsTable, balances
from tests.support.rows import row


def test_counters_are_sums_and_the_definition_is_that_of_the_highest_revision() -> None:
    table = StatisticsTable()
    table.take(row(partition=0, revision=2, name="New", state="SUSPENDED", log_time=5))
    table.take(row(partition=1, log_time=9))
    table.take(row(mid=2))
    table.take(row(partition=1, triggered=11, duplicates=3, log_time=10))
    mailing, other = table.mailings(2)

    assert (mailing.name, mailing.state, mailing.revision) == ("New", "SUSPENDED", 2)
    assert (mailing.triggered, mailing.sent, mailing.pending, mailing.as_of_ms) == (21, 4, 8, 10)
    assert other.mid == 2
    assert table.mailings(4) == []


@pytest.mark.parametrize(
    "wrong",
    [{"pending": 3}, {"sent": 3}, {"suppressed": 0}, {"created": 5}, {"triggered": 9}],
    ids=str,
)
def test_a_row_that_does_not_add_up_is_off_until_one_follows_that_does(
    wrong: dict[str, int],
) -> None:
    table = StatisticsTable()
    table.take(row())
    assert table.off_balance == 0
    assert not balances(row(**wrong))
    table.take(row(partition=1, **wrong))
    table.take(row(partition=3, **wrong))
    assert table.off_balance == 1, "one mailing, however many of its rows"
    table.take(row(partition=1))
    table.take(row(partition=3))
    assert table.off_balance == 0
