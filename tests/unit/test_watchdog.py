"""When the worker's watchdog ends it."""

from __future__ import annotations

import threading
from itertools import chain, count, repeat
from typing import TYPE_CHECKING

from streams.worker.watchdog import Watchdog
from tests.support.wait import WITHIN_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STALL_S = 60.0


def ended(
    times: Iterable[float],
    *,
    progress: Callable[[], int] = lambda: 1,
    has_work: Callable[[], bool] = lambda: True,
    deaf: Callable[[], str] = lambda: "",
) -> str:
    """Return why it ended a worker that looks at its clock at *times*, the last one for ever."""
    over, said = threading.Event(), [""]

    def end(reason: str) -> None:
        said.append(reason)
        over.set()

    def clock() -> float:
        at = next(left, None)
        if at is None:
            over.set()
        return last if at is None else at

    times = list(times)
    left, last = iter(times), times[-1]
    dog = Watchdog(progress, has_work, deaf, stall_s=STALL_S, look_s=0.001, end=end, clock=clock)
    dog.start()
    assert over.wait(WITHIN_S)
    dog.stop()
    return said[-1]


def test_work_without_progress_for_a_minute_ends_it() -> None:
    assert "no progress for 60 s" in ended(range(0, 200, 5))


def test_progress_or_nothing_to_do_keeps_it() -> None:
    numbers = count()
    assert ended(range(0, 200, 5), progress=lambda: next(numbers)) == ""
    assert ended(range(0, 200, 5), has_work=lambda: False) == ""


def test_a_process_that_stood_still_has_time_to_make_progress_when_it_goes_on() -> None:
    # An event came while everything stood still: it is seen before it was fetched.
    work = chain(repeat(False, 3), repeat(True))
    assert ended([0, 5, 10, 15, 3615, 3620, 3625], has_work=lambda: next(work)) == ""


def test_a_consumer_that_hears_nothing_any_more_ends_it() -> None:
    assert ended(range(0, 30, 5), deaf=lambda: "it has gone deaf").startswith("it has gone deaf;")


def test_a_look_that_fails_does_not_end_the_looking() -> None:
    said = chain(repeat(None, 2), repeat("it has gone deaf"))

    def deaf() -> str:
        why = next(said)
        if why is None:
            raise RuntimeError
        return why

    assert ended(range(0, 30, 5), deaf=deaf).startswith("it has gone deaf;")
