"""When refusals are told."""

from __future__ import annotations

import pytest

from producers.bridge.pace import LONGEST_S, REFUSALS_A_SECOND, Pace


def test_a_few_refusals_are_told_at_once() -> None:
    pace = Pace()
    assert [pace.wait_s(float(second)) for second in range(3)] == [0, 0, 0]


def test_many_at_once_are_told_one_after_the_other() -> None:
    pace = Pace()
    waits = [pace.wait_s(7.0) for _ in range(100)]
    assert waits == pytest.approx([number / REFUSALS_A_SECOND for number in range(100)])


def test_none_waits_longer_than_its_caller_was_to_stay_away() -> None:
    pace = Pace()
    assert max(pace.wait_s(7.0) for _ in range(10 * REFUSALS_A_SECOND)) == LONGEST_S


def test_after_a_pause_they_are_told_at_once_again() -> None:
    pace = Pace()
    for _ in range(10 * REFUSALS_A_SECOND):
        pace.wait_s(7.0)
    assert pace.wait_s(7.0 + 2 * LONGEST_S) == 0
