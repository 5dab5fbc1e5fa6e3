"""What a recount has found. Nothing in it is personal: places, rids and numbers, no address."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

# Beyond it breaches are only counted: who has so many needs no list.
LISTED = 10_000


class Kind(StrEnum):
    """What is wrong with a recipient, a message or an answer."""

    LOST = "lost"
    DOUBLED = "doubled"
    CHANGED = "changed"
    COLLIDING = "colliding"
    UNEXPECTED = "unexpected"
    UNEQUAL_REPEAT = "unequal-repeat"
    COUNTER_MISMATCH = "counter-mismatch"


@dataclass(frozen=True, slots=True)
class Breach:
    """One broken promise: *topic*, *partition* and *offset* are where to look for it.

    *rid* is 0 where it is about nobody, *offset* -1 where it is about a whole partition.
    """

    kind: Kind
    topic: str
    partition: int
    offset: int
    rid: int
    detail: str

    def line(self) -> str:
        """Return it as a person reads it."""
        place = f"{self.topic}[{self.partition}]" + (f"@{self.offset}" if self.offset >= 0 else "")
        about = f" rid {self.rid}" if self.rid else ""
        return f"{self.kind:<16} {place}{about}: {self.detail}"


@dataclass(slots=True)
class Report:
    """The end of a recount.

    *counts* say how much of what was compared, *found* how many breaches of each kind there are
    (`breaches` lists the first ten thousand), *laid_aside* the (partition, offset, reason) of
    events that became dead letters for a reason the log does not show, *limits* what could not be
    checked, a sentence each.
    """

    breaches: list[Breach] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    laid_aside: list[tuple[int, int, str]] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)

    def breach(
        self, kind: Kind, topic: str, partition: int, offset: int, *, rid: int = 0, detail: str
    ) -> None:
        """Add a breach."""
        self.found[kind.value] += 1
        if len(self.breaches) < LISTED:
            self.breaches.append(Breach(kind, topic, partition, offset, rid, detail))

    def add(self, other: Report) -> None:
        """Add all that *other* says, of another part."""
        self.found.update(other.found)
        self.counts.update(other.counts)
        self.breaches += other.breaches[: LISTED - len(self.breaches)]
        self.laid_aside += other.laid_aside
        self.limits += other.limits

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "breaches": [asdict(breach) for breach in self.breaches],
            "found": dict(self.found),
            "counts": dict(self.counts),
            "laid_aside": [list(place) for place in self.laid_aside],
            "limits": self.limits,
        }
