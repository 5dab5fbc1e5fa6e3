"""Finding the one event whose effects cannot be produced, so that the others go on.

A chunk that failed twice for what is in it is folded again event by event; an event that then
fails alone, twice, is named as poison, and the fold makes a dead letter of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Errors a record brings with it; all others come from the world and pass.
_RECORD_ERRORS = {
    KafkaError.MSG_SIZE_TOO_LARGE: "TOO_LARGE_TO_PRODUCE",
    KafkaError.INVALID_RECORD: "REFUSED_BY_BROKER",
    KafkaError.INVALID_MSG_SIZE: "TOO_LARGE_TO_PRODUCE",
    KafkaError._INVALID_ARG: "REFUSED_BY_CLIENT",  # noqa: SLF001 - its public name
}
_FAILURES = 2


@dataclass(slots=True)
class _Suspicion:
    failures: int = 0
    # Events up to this offset go one by one.
    until: int = -1
    poison: dict[int, str] = field(default_factory=dict)


class Suspects:
    """What is suspected of each partition's events."""

    def __init__(self) -> None:
        self._partitions: dict[int, _Suspicion] = {}

    def failed(self, partition: int, first: int, last: int, error: KafkaError) -> None:
        """A transaction with the events *first* to *last* could not be written."""
        reason = _RECORD_ERRORS.get(error.code())
        if reason is None:
            return
        suspicion = self._partitions.setdefault(partition, _Suspicion())
        suspicion.failures += 1
        if suspicion.failures < _FAILURES:
            return
        suspicion.failures = 0
        # A lone event of its partition may have shared its transaction with other partitions'.
        if first == last and first <= suspicion.until:
            suspicion.poison[first] = reason
        suspicion.until = max(suspicion.until, last)

    def condemn(self, partition: int, offset: int, reason: str) -> None:
        """Make the event at *offset* a dead letter."""
        self._partitions.setdefault(partition, _Suspicion()).poison[offset] = reason

    def committed(self, partition: int, applied: int) -> None:
        """Everything up to *applied* is written."""
        suspicion = self._partitions.get(partition)
        if suspicion is not None:
            suspicion.failures = 0
            if applied >= suspicion.until:
                del self._partitions[partition]

    def one_by_one(self, partition: int, offset: int) -> bool:
        """Whether the event at *offset* has to be shipped alone."""
        suspicion = self._partitions.get(partition)
        return suspicion is not None and offset <= suspicion.until

    def poison(self, partition: int) -> Mapping[int, str]:
        """Return the offsets that are to be dead letters, and why."""
        suspicion = self._partitions.get(partition)
        return suspicion.poison if suspicion is not None else {}
