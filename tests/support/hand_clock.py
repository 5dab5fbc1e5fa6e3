"""A clock for tests, which decide how time passes."""

from __future__ import annotations


class HandClock:
    """A clock that stands still until it is set forward."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now
