"""The window of a bulk call follows the delay of the answers."""

from __future__ import annotations

import pytest

from producers.window import BLOCK, MAX_WINDOW, MIN_WINDOW, Window


def test_quick_answers_open_the_window_to_its_bound() -> None:
    window = Window()
    for at in range(1000):
        window.answered(sent_at=at, answered_at=at + 0.01)
    assert window.size == MAX_WINDOW


def test_slow_answers_close_the_window_to_its_bound() -> None:
    window = Window()
    window.answered(sent_at=0.0, answered_at=0.01)
    for at in range(1, 100):
        window.answered(sent_at=at, answered_at=at + 0.5)
    assert window.size == MIN_WINDOW


def test_a_window_of_a_block_and_more_needs_no_pause() -> None:
    window = Window()
    assert window.pause_s == 0
    window.answered(sent_at=0.0, answered_at=0.01)
    assert window.pause_s == 0


def test_a_window_of_half_a_block_pauses_as_long_as_an_answer_takes() -> None:
    window = Window()
    window.answered(sent_at=0.0, answered_at=0.01)
    window.size = BLOCK / 2
    assert window.pause_s == pytest.approx(0.01)


def test_no_pause_is_longer_than_a_caller_would_wait() -> None:
    window = Window()
    window.answered(sent_at=0.0, answered_at=0.01)
    for at in range(100, 10_000, 100):
        window.answered(sent_at=at, answered_at=at + 60)
    assert window.pause_s == 0.25


def test_a_window_below_a_block_opens_again_when_answers_are_quick() -> None:
    window = Window()
    for at in range(100):
        window.answered(sent_at=at, answered_at=at + (0.01 if at in {0, *range(50, 100)} else 0.5))
    assert window.size > 2 * BLOCK


def test_one_late_answer_among_quick_ones_says_nothing() -> None:
    window = Window()
    for at in range(100):
        window.answered(sent_at=at, answered_at=at + (0.5 if at % 3 == 2 else 0.01))
    assert window.size > 20 * BLOCK


def test_a_window_that_never_had_an_answer_pauses_before_it_tries_again() -> None:
    window = Window()
    window.slower(sent_at=1.0, at=2.0)
    assert 0 < window.pause_s <= 0.25


def test_blocks_of_one_queue_shrink_the_window_once() -> None:
    window = Window()
    for _ in range(100):
        window.answered(sent_at=0.0, answered_at=0.01)
    before = window.size
    for block in range(10):
        window.slower(sent_at=1.0 + block / 100, at=1.5 + block / 100)
    assert window.size == before * 0.7


def test_a_long_line_to_the_broker_does_not_keep_the_window_shut() -> None:
    window = Window()
    for at in range(100):
        window.answered(sent_at=at, answered_at=at + 0.3)
    assert window.size > 20 * BLOCK
