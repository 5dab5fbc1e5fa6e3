"""Promises that were not kept."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

_MOST_EXAMPLES = 5


@dataclass(slots=True)
class Breaches:
    """By invariant, how often it was broken, and some examples."""

    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, invariant: str, text: str) -> None:
        """Note one."""
        self.counts[invariant] += 1
        if len(self.examples[invariant]) < _MOST_EXAMPLES:
            self.examples[invariant].append(text[:500])

    def __bool__(self) -> bool:
        return bool(self.counts)
