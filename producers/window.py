"""How many entries a bulk call may have on their way, so that others need not wait behind them.

The log is first in, first out: what a call in between waits for is what bulk has put before it.
So the window grows while answers come quickly and shrinks when they do not, as TCP's does.
"""

from __future__ import annotations

BLOCK = 250  # entries produced and answered together: about 2 ms of a worker's time
# Never closes further: a worker folds these in about 10 ms, and less would leave it idle between.
MIN_WINDOW = 4 * BLOCK
MAX_WINDOW = 50_000
# A call in between waits for about as long as the answers of bulk take.
TARGET_S = 0.05
_SHRINK = 0.7


class Window:
    """A window in entries; it is told of every block's answer and knows no clock."""

    def __init__(self) -> None:
        self.size = float(MIN_WINDOW)
        self._starting = True
        self._shrunk_at = 0.0
        self._quickest_s = float("inf")

    def answered(self, *, sent_at: float, answered_at: float) -> None:
        """Adapt to a block that was sent and completely answered at these times, in seconds."""
        delay_s = answered_at - sent_at
        self._quickest_s = min(self._quickest_s, delay_s)
        # Over a long line even a lone block takes longer than the target.
        if delay_s <= max(TARGET_S, 2 * self._quickest_s):
            # Doubles with every round of answers at first, then one block a round.
            self.size += BLOCK if self._starting else BLOCK * BLOCK / self.size
            self.size = min(self.size, MAX_WINDOW)
        else:
            self.slower(sent_at=sent_at, at=answered_at)

    def slower(self, *, sent_at: float, at: float) -> None:
        """Shrink for what was sent at *sent_at* and took too long, until *at*."""
        self._starting = False
        # Once a round: the other blocks of the same queue tell the same story.
        if sent_at >= self._shrunk_at:
            self.size = max(self.size * _SHRINK, MIN_WINDOW)
            self._shrunk_at = at
