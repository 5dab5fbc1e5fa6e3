"""The events of a call in slices, sorted by partition."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from producers.contract.entries import KnownEntry
from schemas.ids import partition_of_rid, recipient_key, rid_key
from schemas.partition import partition_for
from schemas.records import Outcome
from schemas.topics import MAX_EVENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from producers.contract.entries import Entry
    from producers.events import EventWriter
    from producers.log import Event

# Encoded and produced before other tasks of the loop have their turn: about a millisecond.
SLICE: Final = 500


@dataclass(slots=True)
class Slice:
    """Batches of events by partition, and the entries answered without.

    Events of one partition keep the order of their entries.
    """

    batches: list[tuple[int, list[Event]]] = field(default_factory=list)
    refused: list[tuple[int, tuple[Outcome, int]]] = field(default_factory=list)


def slices(
    entries: Sequence[Entry], writer: EventWriter, *, orgid: int, partitions: int
) -> Iterator[Slice]:
    """Yield the events of *entries*, encoded when they are asked for."""
    for start in range(0, len(entries), SLICE):
        yield _slice(entries[start : start + SLICE], writer, orgid, partitions)


def _slice(entries: Sequence[Entry], writer: EventWriter, orgid: int, partitions: int) -> Slice:
    refused: list[tuple[int, tuple[Outcome, int]]] = []
    batches: dict[int, list[Event]] = {}
    for entry in entries:
        if isinstance(entry, KnownEntry):
            partition = partition_of_rid(entry.rid)
            if partition >= partitions:
                # What any partition would answer: nobody has this rid.
                refused.append((entry.index, (Outcome.UNKNOWN_RECIPIENT, 0)))
                continue
            key = rid_key(orgid, entry.rid)
        else:
            key = recipient_key(orgid, entry.email)
            partition = partition_for(key, partitions)
        value = writer.encode(entry)
        if len(value) > MAX_EVENT_BYTES:
            # What the fold would answer, after it had travelled there.
            refused.append((entry.index, (Outcome.FAILED, 0)))
            continue
        batch = batches.get(partition)
        if batch is None:
            batches[partition] = [(key, value)]
        else:
            batch.append((key, value))
    return Slice(list(batches.items()), refused)
