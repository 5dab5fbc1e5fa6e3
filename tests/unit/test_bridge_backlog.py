"""The bridge lets so many wait as are answered within a second."""

from __future__ import annotations

from collections import deque

from producers.bridge.backlog import PATIENCE_S, SMALLEST, Backlog

LARGEST = 200_000


def test_quick_answers_leave_room_for_everything() -> None:
    backlog = Backlog(LARGEST)
    for number in range(100):
        backlog.answered(100, sent_at=number, at=number + 0.05, waiting=5_000)
    assert backlog.size == LARGEST


def test_a_large_call_may_take_its_time() -> None:
    backlog = Backlog(LARGEST)
    backlog.answered(100_000, sent_at=0.0, at=8.0, waiting=100_000)
    assert backlog.size == LARGEST


def test_a_queue_of_late_answers_is_cut_to_what_is_answered_in_time() -> None:
    """A worker of 20,000 recipients a second, and ten times as many callers as it can serve."""
    backlog = Backlog(LARGEST)
    now, rate, each, waiting = 0.0, 20_000.0, 100, 0
    queue: deque[float] = deque()
    delays = []
    for _ in range(12_000):
        while waiting < backlog.size:
            queue.append(now)
            waiting += each
        now += each / rate
        sent_at = queue.popleft()
        backlog.answered(each, sent_at=sent_at, at=now, waiting=waiting)
        waiting -= each
        delays.append(now - sent_at)
    settled = delays[len(delays) // 2 :]
    assert max(settled) < 2 * PATIENCE_S
    assert min(settled) > PATIENCE_S / 4, "the worker has run dry"


def test_what_an_outage_has_closed_opens_again() -> None:
    backlog = Backlog(LARGEST)
    for number in range(100):
        backlog.answered(1, sent_at=5.0 * number, at=5.0 * number + 5, waiting=50)
    assert backlog.size == SMALLEST
    now = 1000.0
    for _ in range(100):
        backlog.answered(round(backlog.size), sent_at=now, at=now + 0.05, waiting=SMALLEST)
        now += 0.05
    assert backlog.size == LARGEST
