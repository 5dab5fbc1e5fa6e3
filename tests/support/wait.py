"""Waiting for a condition, with a deadline, instead of sleeping and hoping."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# For what takes a second or two, on a machine that is many times slower or busy with other things.
WITHIN_S = 90.0


def eventually(probe: Callable[[], T], *, within_s: float = WITHIN_S, every_s: float = 0.05) -> T:
    """Return the first truthy answer of *probe*; fail with its last answer after *within_s*."""
    deadline = time.monotonic() + within_s
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s; the last answer was {answer!r}")
        time.sleep(every_s)
