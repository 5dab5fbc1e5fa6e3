"""Caps a recipient and hour, written apart: which messages count, and whether one more may."""

from __future__ import annotations

from collections import ChainMap, Counter
from typing import TYPE_CHECKING

from streams.verify.calls import HOUR

if TYPE_CHECKING:
    from collections.abc import Container, MutableMapping

Whose = tuple[int, int, int]
"""(orgid, mid, rid)"""


class Caps:
    """Messages of mailings with a cap: their log times, and whether they are sure to be there."""

    def __init__(self) -> None:
        self._taken: MutableMapping[Whose, list[tuple[int, bool]]] = {}

    def above(self) -> Caps:
        """Return caps that have these messages, and keep for themselves what they take."""
        caps = Caps()
        caps._taken = ChainMap({}, self._taken)
        return caps

    def full(self, whose: Whose, cap: int, now: int) -> bool | None:
        """Whether the hour before *now* has *cap* messages; None: what is left does not say."""
        if not cap:
            return False
        counting = [sure for time_ms, sure in self._taken.get(whose, ()) if time_ms > now - HOUR]
        if sum(counting) >= cap:
            return True
        return None if len(counting) >= cap else False

    def take(self, whose: Whose, now: int, *, sure: bool) -> None:
        """Count a message; what is two hours old is forgotten, as a changelog may forget it."""
        taken = [each for each in self._taken.get(whose, ()) if each[0] > now - 2 * HOUR]
        self._taken[whose] = [*taken, (now, sure)]

    def differences(
        self, found: Counter[tuple[int, ...]], counted: Container[tuple[int, int]], now: int
    ) -> list[tuple[int, str]]:
        """Return (rid, what) of each (orgid, mid, rid, log time) that a changelog has otherwise.

        Of mailings that are not *counted* the log knows too little to say that there is too much;
        what is two hours old may be gone.
        """
        left, told = Counter(found), []
        for whose, taken in self._taken.items():
            for time_ms, sure in taken:
                if left[*whose, time_ms]:
                    left[*whose, time_ms] -= 1
                elif sure and time_ms > now - HOUR:
                    told.append((whose[2], "a message does not count towards its mailing's cap"))
        for (orgid, mid, rid, time_ms), count in left.items():
            if count and (orgid, mid) in counted and time_ms > now - 2 * HOUR:
                told.append((rid, "more counts towards a mailing's cap than was accepted"))
        return told
