"""Batches of recipients in the changelog, written again without those who were erased.

Which batch holds a recipient is written nowhere. But none reaches beyond a span of rids, and each
is named after the first of its recipients: so all of the span is written again, under names of its
own choice, and every other name that a batch there may have is deleted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schemas.topics import MAX_PARTITIONS
from streams.core.recipient_batches import SPAN, NewRecipients, read_recipients
from streams.core.recipients import rids_of

if TYPE_CHECKING:
    from streams.core.partition import PartitionState
    from streams.core.recipients import ChangelogRecord, RecipientTable

_Members = dict[int, tuple[bytes, bytes]]
"""By rid: log key, and framed RecipientState"""


@dataclass(slots=True)
class ErasedBatches:
    """What one transaction has to write again, by the number of the span."""

    _spans: dict[int, _Members] = field(default_factory=dict)
    _keys: set[bytes] = field(default_factory=set)
    _rids: set[int] = field(default_factory=set)

    def without(self, state: PartitionState, key: bytes, rid: int) -> None:
        """Let no batch have this recipient, whom *state* does not have any more.

        Its neighbours are read here and not at the end, where a store that fails could not be
        taken back.
        """
        spans = {rid // SPAN}
        for first, last in state.wide_batches.items():
            if first <= rid <= last:
                spans.update(range(first // SPAN, last // SPAN + 1))
                self._rids.add(first)
        for span in spans - self._spans.keys():
            self._spans[span] = _members(state.recipients, span, state.partition)
        self._spans[rid // SPAN].pop(rid, None)
        self._keys.add(key)
        self._rids.add(rid)

    def records(self, created: list[tuple[bytes, bytes]]) -> list[ChangelogRecord]:
        """Return the transaction's batches, whose own are *created*.

        Whoever was changed after all this follows in a record of its own.
        """
        records: list[ChangelogRecord] = []
        names = set(self._rids)
        for name, value in created:
            members = self._spans.get(int(name[2:]) // SPAN)
            if members is None:
                records.append((name, value))
                continue
            names.add(int(name[2:]))
            keys, values = read_recipients(value)
            for key, recipient, rid in zip(keys, values, rids_of(values), strict=True):
                if key not in self._keys:
                    members.setdefault(rid, (key, recipient))
        for span in sorted(self._spans):
            again = NewRecipients()
            for rid, (key, recipient) in sorted(self._spans[span].items()):
                again.add(key, recipient, rid)
                names.add(rid)
            batches = again.records()
            names.difference_update([int(name[2:]) for name, _ in batches])
            records += batches
        return records + [(b"b:%d" % rid, None) for rid in sorted(names)]


def _members(table: RecipientTable, span: int, partition: int) -> _Members:
    first = span * SPAN + partition
    rids = range(first, first + SPAN, MAX_PARTITIONS)
    # By rid, which needs no organisation: a store reads them at once.
    table.prefetch([b":#%d" % rid for rid in rids])
    members: _Members = {}
    for rid in rids:
        key = table.key_of(rid)
        value = None if key is None else table.get(key)
        if key is not None and value is not None:
            members[rid] = key, value
    return members
