"""The events of a call in slices, sorted by how the producer must be told their partition."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from producers.contract.entries import KnownEntry
from producers.log import BY_KEY
from schemas.ids import partition_of_rid, recipient_key, rid_key
from schemas.records import Outcome
from schemas.topics import MAX_EVENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from producers.contract.entries import Entry
    from producers.events import EventWriter
    from producers.log import Event

# Encoded and produced before other tasks of the loop have their turn: about 3 ms.
SLICE = 500


@dataclass(slots=True)
class Slice:
    """Batches by partition in the order to produce them, and the entries answered without.

    Invariant: events of one partition keep the order of their entries.
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
    piece = Slice()
    # Batches an event may still join: many of known recipients, or one of addresses, whose
    # partitions are not known here. So one kind ends where the other begins.
    opened: dict[int, list[Event]] = {}
    for entry in entries:
        if isinstance(entry, KnownEntry):
            partition = partition_of_rid(entry.rid)
            if partition >= partitions:
                # What any partition would answer: nobody has this rid.
                piece.refused.append((entry.index, (Outcome.UNKNOWN_RECIPIENT, 0)))
                continue
            key = rid_key(orgid, entry.rid)
        else:
            partition = BY_KEY
            key = recipient_key(orgid, entry.email)
        value = writer.encode(entry)
        if len(value) > MAX_EVENT_BYTES:
            # What the fold would answer, after it had travelled there.
            piece.refused.append((entry.index, (Outcome.FAILED, 0)))
            continue
        if partition not in opened:
            if partition == BY_KEY or BY_KEY in opened:
                opened = {}
            opened[partition] = []
            piece.batches.append((partition, opened[partition]))
        opened[partition].append({"key": key, "value": value})
    return piece
