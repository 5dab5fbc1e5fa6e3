"""A schedule: the fair run, and where it differs from it.

Whatever could happen in another way is a decision with numbered options, of which 0 is the fair
and faultless one. A run is its *deviations*, {number of the decision: option}, and nothing else:
the same deviations give the same run, to the byte.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Decision(NamedTuple):
    """What could be decided: *about* whom, and how many *options* there were."""

    about: str
    options: tuple[str, ...]


@dataclass(repr=False)
class Schedule:
    """The deviations of one run; records the decisions it met."""

    deviations: dict[int, int] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    # From here on nothing deviates: the world has healed.
    healed: bool = False

    def __repr__(self) -> str:
        return f"Schedule.of({self.text!r})"

    def choose(self, about: str, options: Sequence[str]) -> str:
        """Return one of *options*."""
        if self.healed:
            return options[0]
        number = len(self.decisions)
        self.decisions.append(Decision(about, tuple(options)))
        wanted = self.deviations.get(number)
        if wanted is None:
            return options[0]
        # Drawn options may be more than there are here.
        chosen = options[wanted % len(options)]
        if chosen != options[0]:
            self.told.append(f"{number} {chosen}: {about}")
        return chosen

    @property
    def text(self) -> str:
        """The deviations, as the command line takes them."""
        return ",".join(f"{number}:{option}" for number, option in sorted(self.deviations.items()))

    @classmethod
    def of(cls, text: str) -> Schedule:
        """Return the schedule that was written as `text`."""
        pairs = (each.split(":") for each in text.split(",") if each)
        return cls({int(number): int(option) for number, option in pairs})
