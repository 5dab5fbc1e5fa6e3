"""How many recipients may wait for their answers at once, so that none of them waits for seconds.

The log is first in, first out: what comes when more are waiting than the workers answer in a second
would be answered late, or after its time is over and so in vain. Then a refusal at once is better.
"""

from __future__ import annotations

# How long an answer may take before there is too much in front of it: below the 5 s after which a
# call is given up, above what a worker's takeover or a collection of garbage takes.
PATIENCE_S = 1.0
# A large call takes its time even when it is alone: at least this many a second are answered.
SLOWEST_RATE = 5_000
# Never fewer: a call each for the connections of a small caller.
SMALLEST = 64
_SHRINK = 0.7
_GROW = 0.2


class Backlog:
    """A bound in recipients that adapts to how long answers take; it knows no clock."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self.size = float(largest)
        self._shrunk_at = 0.0

    def answered(self, count: int, *, sent_at: float, at: float, waiting: int) -> None:
        """Adapt to a call of *count*, sent and answered or given up at these times.

        *waiting* is how many recipients were, itself included.
        """
        if at - sent_at <= PATIENCE_S + count / SLOWEST_RATE:
            self.size = min(self.size + _GROW * count, self._largest)
        elif sent_at >= self._shrunk_at:
            # Once a round: the others of the same queue tell the same story.
            self.size = max(min(self.size, waiting) * _SHRINK, SMALLEST)
            self._shrunk_at = at
