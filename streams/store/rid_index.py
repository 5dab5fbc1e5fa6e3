"""Who has which rid, many to a record: log keys of recipients whose rids are neighbours.

A record an index entry would cost as much as the recipient's own. A record is `rid, log key` again
and again, as Avro writes a long and bytes.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from librt.strings import BytesWriter

from schemas.topics import MAX_PARTITIONS
from schemas.varint import decode_long, span_of, write_size

if TYPE_CHECKING:
    from array import array

# The rids of 64 events are neighbours: a kilobyte or two of log keys.
SPAN: Final = 64 * MAX_PARTITIONS


class RidIndex:
    """Log keys by rid.

    Invariant: *rids* ascend, and ``keys[n]`` is the key of ``rids[n]``, empty once it is removed.
    """

    def __init__(self, rids: array[int], keys: list[bytes]) -> None:
        self.rids = rids
        self.keys = keys

    def key_of(self, rid: int) -> bytes | None:
        """Return the log key of *rid*."""
        at = bisect_left(self.rids, rid)
        found = at < len(self.rids) and self.rids[at] == rid
        return (self.keys[at] or None) if found else None

    def remove(self, rid: int) -> None:
        """Let *rid* lead to nobody."""
        at = bisect_left(self.rids, rid)
        if at < len(self.rids) and self.rids[at] == rid:
            # Not taken out of the lists: another thread may be looking through them.
            self.keys[at] = b""

    def add(self, rid: int, key: bytes) -> None:
        """Add one who is newer than all."""
        # In this order: another thread that finds the rid finds the key as well.
        self.keys.append(key)
        self.rids.append(rid)

    def extend(self, other: RidIndex) -> None:
        """Add those of *other*, who are newer than all."""
        self.keys += other.keys
        self.rids += other.rids

    def since(self, rid: int) -> RidIndex:
        """Return a copy of those from *rid* on."""
        at = bisect_left(self.rids, rid)
        return RidIndex(self.rids[at:], self.keys[at:])

    def records(self) -> list[tuple[int, bytes]]:
        """Return (number, record) of each `SPAN` that anybody's rid is in."""
        rids, keys = self.rids, self.keys
        records: list[tuple[int, bytes]] = []
        written = BytesWriter()
        span = -1
        for at in range(len(keys)):
            rid = rids[at]
            if rid // SPAN != span:
                if at:
                    records.append((span, written.getvalue()))
                written.truncate(0)
                span = rid // SPAN
            key = keys[at]
            if not key:
                continue
            write_size(written, rid)
            write_size(written, len(key))
            written.write(key)
        if keys:
            records.append((span, written.getvalue()))
        return records


def key_in(record: bytes, wanted: int) -> bytes | None:
    """Return the log key that *record* has for the rid *wanted*."""
    at = 0
    while at < len(record):
        rid, at = decode_long(record, at)
        start, at = span_of(record, at)
        if rid == wanted:
            return record[start:at]
    return None


def index_of(record: bytes, rids: array[int]) -> RidIndex:
    """Return what *record* says; *rids* is empty."""
    index = RidIndex(rids, [])
    at = 0
    while at < len(record):
        rid, at = decode_long(record, at)
        start, at = span_of(record, at)
        index.add(rid, record[start:at])
    return index
