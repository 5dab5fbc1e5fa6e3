"""Which letters are meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mailing_trigger.dead_letters.letters import Place
from mailing_trigger.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mailing_trigger.dead_letters.letter_state import LetterState
    from mailing_trigger.dead_letters.letters import Letter

_PLACE = re.compile(r"(\d{1,4}):(\d{1,18})")
_AGO = re.compile(r"(\d{1,5})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class Choice:
    """The letters at *places*, or else those that fit all the rest; nothing said fits every one."""

    places: tuple[Place, ...] = ()
    reasons: frozenset[str] = frozenset()
    partition: int | None = None
    since_ms: int = 0
    state: LetterState | None = None

    def of(self, letters: Mapping[Place, Letter]) -> list[Letter]:
        """Return the letters meant; SettingsError when a place has none."""
        for place in self.places:
            if place not in letters:
                raise SettingsError(
                    f"there is no dead letter {place}: `mailing-trigger dead-letters list` has all"
                )
        if self.places:
            return [letters[place] for place in dict.fromkeys(self.places)]
        return [letter for letter in letters.values() if self._fits(letter)]

    def _fits(self, letter: Letter) -> bool:
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (self.partition is None or letter.place.partition == self.partition)
            and letter.at_ms >= self.since_ms
            and (self.state is None or letter.state is self.state)
        )


def places_of(texts: Iterable[str]) -> tuple[Place, ...]:
    """Return the places written as PARTITION:OFFSET."""
    places = []
    for text in texts:
        found = _PLACE.fullmatch(text)
        if found is None:
            raise SettingsError("a dead letter is named by PARTITION:OFFSET, such as 2:20481")
        places.append(Place(int(found[1]), int(found[2])))
    return tuple(places)


def since_ms(text: str, now: datetime) -> int:
    """Return the moment that `2h`, `7d` or an ISO date and time mean, in ms since 1970."""
    ago = _AGO.fullmatch(text)
    if ago is not None:
        moment = now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise SettingsError("--since takes 30m, 2h, 7d or a date such as 2026-01-31") from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)
