"""Waiting before another try: longer each time, never in step with others, never for ever."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIRST_S = 0.05
_LONGEST_S = 2.0


def pauses(limit_s: float) -> Iterator[float]:
    """Yield how long to wait before each further try, for about *limit_s* in all.

    Full jitter: a random share of a doubling bound.
    """
    deadline = time.monotonic() + limit_s
    bound = _FIRST_S
    while time.monotonic() < deadline:
        yield random.uniform(_FIRST_S / 2, bound)  # noqa: S311 - jitter, not a secret
        bound = min(bound * 2, _LONGEST_S)
