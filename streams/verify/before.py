"""What the changelog says of events of which a log that lost its beginning says too little."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

LONG_AGO = -(10**15)


@dataclass(frozen=True, slots=True)
class Offsets:
    """Offsets, sorted: eight bytes each, and there may be millions."""

    offsets: array[int] = field(default_factory=lambda: array("q"))

    def __contains__(self, offset: int) -> bool:
        """Whether *offset* is among them."""
        at = bisect_left(self.offsets, offset)
        return at < len(self.offsets) and self.offsets[at] == offset


@dataclass(frozen=True, slots=True)
class Before:
    """Of a whole log nothing, since it says everything.

    By offset: *born* are events that created somebody, *laid* those that are dead letters. *once*
    are the answers, (rid, outcome), of entries of which the first may be deleted or left; *calls*
    the numbers of calls by log key. What began before *begin_ms*, when the log that is left begins,
    may have been there and be forgotten.
    """

    born: Offsets = field(default_factory=Offsets)
    laid: Container[int] = ()
    once: Mapping[tuple[int, int], tuple[int, str]] = field(default_factory=dict)
    calls: Mapping[bytes, int] = field(default_factory=dict)
    begin_ms: int = LONG_AGO
