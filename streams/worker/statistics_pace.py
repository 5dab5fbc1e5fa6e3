"""When rows of statistics are written: at most one a second a mailing, and none left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.core.statistic_rows import behind

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.core.partition import MailingId, PartitionState
    from streams.worker.transaction import Part

EVERY_S = 1.0
# Rows in one transaction: some 10 ms of work. More are there only after a takeover, when nobody
# knows what was written of any mailing.
MOST_ROWS = 1_000


class StatisticsPace:
    """Goes through the mailings of each partition in rounds, a second from one to the next.

    Rows ride in a transaction that is shipped anyway; when there is none, the engine begins one as
    soon as `due` says so. *now* is a monotonic clock in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._next: dict[int, float] = {}
        self._rounds: dict[int, list[MailingId]] = {}

    def due(self, state: PartitionState) -> bool:
        """Whether the partition has rows to be written now."""
        if self._rounds.get(state.partition):
            return True
        return bool(state.unreported) and self._now() >= self._next.get(state.partition, 0)

    def report(self, part: Part) -> None:
        """Add the rows that are due to a partition's share of a transaction, before it is sealed.

        A mailing comes once a round. A row whose transaction fails leaves its mailing behind, for
        the round that follows.
        """
        state = part.fold.state
        partition, now = state.partition, self._now()
        left = self._rounds.pop(partition, [])
        if not left and now >= self._next.get(partition, 0):
            left = behind(state)
        if left:
            part.fold.report(left[:MOST_ROWS], part.effects)
            self._rounds[partition] = left[MOST_ROWS:]
            self._next[partition] = now + EVERY_S
