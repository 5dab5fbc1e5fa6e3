"""How fast refusals are told, so that those who are refused do not crowd out those who are served.

A caller that is told no in a moment is back in the next. Ten times too many calls then leave little
for those that were taken on: saying no costs 0.1 ms, and so does sending it. So beyond a rate that
costs next to nothing, each refusal waits its turn, and its caller with it, for a second at most.
"""

from __future__ import annotations

# 5 % of a core; fewer than this are told at once.
REFUSALS_A_SECOND = 500
# What a caller has to wait for anyway is no longer than Retry-After says.
LONGEST_S = 1.0


class Pace:
    """Gives refusals their times; it knows no clock."""

    def __init__(self) -> None:
        self._next = 0.0

    def wait_s(self, now: float) -> float:
        """Return how long a refusal decided *now* waits."""
        turn = min(max(self._next, now), now + LONGEST_S)
        self._next = turn + 1 / REFUSALS_A_SECOND
        return turn - now
