"""Which messages count towards their mailing's cap, and how to take a step back.

Only messages of mailings with a cap are here, and for two hours of the log's time at most once
later transactions come.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schemas.caps import COUNTS_MS, KEPT_MS
from schemas.codec import Codec
from schemas.framing import SINGLE_OBJECT_BYTES
from schemas.records import CAP_STATE
from schemas.varint import decode_long, encode_long

if TYPE_CHECKING:
    from streams.core.recipients import ChangelogRecord

_FRAME = Codec().framing.prefixes[CAP_STATE]
# More than the one that a transaction adds, and some 10 ms of work.
_FORGOTTEN_AT_ONCE = 2


@dataclass(slots=True)
class Batch:
    """Messages that one transaction added, under the offset of the first; a changelog record.

    *whose* are those of `key_of`, *times* the log times beside them, *newest* the largest.
    """

    base_offset: int
    newest: int = 0
    whose: list[bytes] = field(default_factory=list)
    times: list[int] = field(default_factory=list)

    def add(self, whose: bytes, time_ms: int) -> None:
        """Add a message."""
        self.whose.append(whose)
        self.times.append(time_ms)
        self.newest = max(self.newest, time_ms)


@dataclass(slots=True)
class _Journal:
    """What one transaction did."""

    added: Batch | None = None
    forgotten: list[Batch] = field(default_factory=list)


def key_of(orgid: int, mid: int, rid_bytes: bytes) -> bytes:
    """Return a mailing and a recipient as Avro writes orgid, mid and rid."""
    return encode_long(orgid) + encode_long(mid) + rid_bytes


class CapTable:
    """Log times of messages by mailing and recipient, in the order of the log."""

    def __init__(self) -> None:
        self.times: dict[bytes, list[int]] = {}
        self.batches: deque[Batch] = deque()
        self._journals: deque[_Journal] = deque()

    def begin(self) -> None:
        """Start a transaction."""
        self._journals.append(_Journal())

    def commit(self) -> None:
        """Keep what the oldest open transaction did."""
        self._journals.popleft()

    def is_full(self, whose: bytes, cap: int, log_time_ms: int) -> bool:
        """Whether *cap* messages count in the hour before an event of that log time."""
        times = self.times_of(whose)
        if len(times) < cap:
            return False
        # A clock that went back leaves times of the future, and they count as well.
        since = max(log_time_ms, 0) - COUNTS_MS
        return sum([time_ms > since for time_ms in times]) >= cap

    def times_of(self, whose: bytes) -> list[int]:
        """Return the log times of messages that count, or did of late."""
        return self.times.get(whose, [])

    def add(self, offset: int, whose: bytes, log_time_ms: int) -> None:
        """Count the message of the event at *offset*."""
        journal, time_ms = self._journals[-1], max(log_time_ms, 0)
        batch = journal.added
        if batch is None:
            batch = journal.added = Batch(offset)
            self.batches.append(batch)
        batch.add(whose, time_ms)
        self.times.setdefault(whose, []).append(time_ms)

    def forget(self, now: int) -> None:
        """Forget some of what counts no longer at the log's time *now*."""
        journal = self._journals[-1]
        # One of this very transaction is left to a later one: the changelog has to get it.
        while (
            len(journal.forgotten) < _FORGOTTEN_AT_ONCE
            and self.batches
            and self.batches[0] is not journal.added
            and self.batches[0].newest + KEPT_MS <= now
        ):
            batch = self.batches.popleft()
            journal.forgotten.append(batch)
            for whose in batch.whose:
                del self.times[whose][0]
                if not self.times[whose]:
                    del self.times[whose]

    def records(self) -> list[ChangelogRecord]:
        """Return the changelog records of the newest transaction."""
        journal = self._journals[-1]
        records: list[ChangelogRecord] = []
        if journal.added is not None:
            records.append((_batch_key(journal.added), _cap_state(journal.added)))
        records += [(_batch_key(batch), None) for batch in journal.forgotten]
        return records

    def load(self, key: bytes, value: bytes) -> None:
        """Take a changelog record, `c:`, of today's schema; in any order."""
        count, at = decode_long(value, SINGLE_OBJECT_BYTES)
        batch = Batch(int(key[2:]))
        for _ in range(count):
            whose_at = at
            for _ in range(3):
                _, at = decode_long(value, at)
            whose = value[whose_at:at]
            time_ms, at = decode_long(value, at)
            batch.add(whose, time_ms)
        self.batches.append(batch)

    def finish_load(self) -> None:
        """Put everything that was loaded into the order of the log."""
        self.batches = deque(sorted(self.batches, key=lambda batch: batch.base_offset))
        for batch in self.batches:
            for whose, time_ms in zip(batch.whose, batch.times, strict=True):
                self.times.setdefault(whose, []).append(time_ms)

    def rollback(self) -> None:
        """Undo every open transaction."""
        while self._journals:
            journal = self._journals.pop()
            if journal.added is not None:
                for whose in self.batches.pop().whose:
                    self.times[whose].pop()
                    if not self.times[whose]:
                        del self.times[whose]
            for batch in reversed(journal.forgotten):
                self.batches.appendleft(batch)
                for whose, time_ms in zip(
                    reversed(batch.whose), reversed(batch.times), strict=True
                ):
                    self.times.setdefault(whose, []).insert(0, time_ms)


def _batch_key(batch: Batch) -> bytes:
    return b"c:%d" % batch.base_offset


def _cap_state(batch: Batch) -> bytes:
    items = [
        whose + encode_long(time_ms)
        for whose, time_ms in zip(batch.whose, batch.times, strict=True)
    ]
    return b"".join((_FRAME, encode_long(len(items)), *items, b"\x00"))
