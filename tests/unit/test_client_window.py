"""The window of a bulk call follows the delay of the answers."""

from __future__ import annotations

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


def test_blocks_of_one_queue_shrink_the_window_once() -> None:
    window = Window()
    for _ in range(100):
        window.answered(sent_at=0.0, answered_at=0.01)
    before = window.size
    for block in range(10):
        window.answered(sent_at=1.0 + block / 100, answered_at=1.5 + block / 100)
    assert window.size == before * 0.7


def test_a_long_line_to_the_broker_does_not_keep_the_window_shut() -> None:
    window = Window()
    for at in range(100):
        window.answered(sent_at=at, answered_at=at + 0.3)
    assert window.size > 20 * BLOCK
