"""How many entries a bulk call may have on their way, so that others need not wait behind them.

The log is first in, first out: what a call in between waits for is what bulk has put before it, and
so is the CPU they share. So bulk takes what is left, as LEDBAT (RFC 6817) does: its window grows
while answers take hardly longer than they ever did, and shrinks when they do.
"""

from __future__ import annotations

from collections import deque

BLOCK = 250  # entries produced and answered together: about 2 ms of a worker's time
# Less than a block is one with a pause after it; still a thousand entries a second and more.
MIN_WINDOW = BLOCK / 16
MAX_WINDOW = 50_000
# Answers may take this much longer than the quickest: a queue of a block or two. Twice as much lets
# an import be a fifth quicker alone, and calls beside it take twice as long.
QUEUE_S = 0.005
# One answer is late for many reasons; a queue makes them all late.
_LATEST = 3
_SHRINK = 0.7
_GROW_BELOW_A_BLOCK = 1.5
_LONGEST_PAUSE_S = 0.25


class Window:
    """A window in entries; it is told of every block's answer and knows no clock."""

    def __init__(self) -> None:
        self.size = float(BLOCK)
        self._starting = True
        self._shrunk_at = 0.0
        self._quickest_s = float("inf")
        self._delays_s: deque[float] = deque(maxlen=_LATEST)

    @property
    def pause_s(self) -> float:
        """How long to wait with the next block when there is none on its way."""
        if self.size >= BLOCK:
            return 0.0
        delay_s = self._delays_s[-1] if self._delays_s else _LONGEST_PAUSE_S
        return min(delay_s * (BLOCK / self.size - 1), _LONGEST_PAUSE_S)

    def answered(self, *, sent_at: float, answered_at: float) -> None:
        """Adapt to a block that was sent and completely answered at these times, in seconds."""
        self._delays_s.append(answered_at - sent_at)
        delay_s = min(self._delays_s)
        # Over a long line even a lone block takes its time.
        self._quickest_s = min(self._quickest_s, delay_s)
        if delay_s > self._quickest_s + QUEUE_S:
            self.slower(sent_at=sent_at, at=answered_at)
        elif self.size < BLOCK:
            self.size *= _GROW_BELOW_A_BLOCK
        else:
            # Doubles with every round of answers at first, then one block a round.
            self.size += BLOCK if self._starting else BLOCK * BLOCK / self.size
            self.size = min(self.size, MAX_WINDOW)

    def slower(self, *, sent_at: float, at: float) -> None:
        """Shrink for what was sent at *sent_at* and took too long, until *at*."""
        self._starting = False
        # Once a round: the other blocks of the same queue tell the same story.
        if sent_at >= self._shrunk_at:
            self.size = max(self.size * _SHRINK, MIN_WINDOW)
            self._shrunk_at = at
