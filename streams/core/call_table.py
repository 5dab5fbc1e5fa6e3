"""What a partition knows of calls with an idempotency key, and how to take a step back.

Which calls began under the keys at home here; and of entries at home here what each was answered.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from schemas.calls import KEPT_MS
from schemas.codec import Codec
from schemas.framing import SINGLE_OBJECT_BYTES
from schemas.records import CALL_STATE, ONCE_STATE
from schemas.varint import decode_long, encode_long

if TYPE_CHECKING:
    from streams.core.recipients import ChangelogRecord

_CODEC = Codec()
_ONCE_FRAME = _CODEC.framing.prefixes[ONCE_STATE]
# What one event forgets is more than what it adds, and no work to speak of.
_FORGOTTEN_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Call:
    """A call: its number, when it began by the log's time, and what tells it from others."""

    call: int
    begun_at: int
    digest: bytes
    count: int

    @property
    def size(self) -> int:
        """What it counts in a table: itself and its entries."""
        return 1 + self.count


@dataclass(slots=True)
class Batch:
    """Entries that one transaction added, under the offset of the first; a changelog record."""

    base_offset: int
    begun_at: int = 0
    entries: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class _Journal:
    """What one transaction did.

    *calls* are those before it of the keys that it changed, *forgotten* the batches it forgot with
    their answers.
    """

    calls: dict[bytes, Call | None] = field(default_factory=dict)
    added: Batch | None = None
    forgotten: list[tuple[Batch, list[bytes]]] = field(default_factory=list)


class CallTable:
    """Calls by log key in the order in which they began; answers by call and index."""

    def __init__(self) -> None:
        # A plain dict keeps the places of what was taken from its front, and goes through them.
        self.calls: OrderedDict[bytes, Call] = OrderedDict()
        # Calls and their entries, wherever these are at home.
        self.size = 0
        # Both as Avro writes them: call and index; rid and outcome.
        self.answers: dict[bytes, bytes] = {}
        self.batches: deque[Batch] = deque()
        self._journals: deque[_Journal] = deque()

    def begin(self) -> None:
        """Start a transaction."""
        self._journals.append(_Journal())

    def commit(self) -> None:
        """Keep what the oldest open transaction did."""
        self._journals.popleft()

    def put(self, key: bytes, call: Call) -> None:
        """Know a call, the newest of all, instead of the one that had its key."""
        self._drop(key)
        self._journals[-1].calls.setdefault(key, None)
        self.calls[key] = call
        self.size += call.size

    def remember(
        self, offset: int, begun_at: int, entry: bytes, rid_bytes: bytes, outcome: bytes
    ) -> None:
        """Know what the event at *offset* was answered; *entry* is its call and index."""
        journal = self._journals[-1]
        batch = journal.added
        if batch is None:
            batch = journal.added = Batch(offset)
            self.batches.append(batch)
        batch.begun_at = max(batch.begun_at, begun_at)
        batch.entries.append(entry)
        self.answers[entry] = rid_bytes + outcome

    def forget(self, now: int) -> None:
        """Forget some of what nobody can ask for any more at the log's time *now*."""
        for key in [*islice(self.calls, _FORGOTTEN_AT_ONCE)]:
            if self.calls[key].begun_at + KEPT_MS > now:
                break
            self._drop(key)
        journal = self._journals[-1]
        if self.batches and self.batches[0].begun_at + KEPT_MS <= now:
            batch = self.batches[0]
            # One of this very transaction is left to a later one: the changelog has to get it.
            if batch is not journal.added:
                self.batches.popleft()
                answers = [self.answers.pop(entry) for entry in batch.entries]
                journal.forgotten.append((batch, answers))

    def records(self) -> list[ChangelogRecord]:
        """Return the changelog records of the newest transaction."""
        journal = self._journals[-1]
        records: list[ChangelogRecord] = []
        for key in journal.calls:
            call = self.calls.get(key)
            records.append((b"k:" + key, None if call is None else _call_state(call)))
        if journal.added is not None:
            records.append((_batch_key(journal.added), self._batch_state(journal.added)))
        records += [(_batch_key(batch), None) for batch, _ in journal.forgotten]
        return records

    def load(self, key: bytes, value: bytes) -> None:
        """Take a changelog record, `k:` or `o:`, of today's schema; in any order."""
        if key.startswith(b"k:"):
            call = Call(**_CODEC.decode(value)[1])
            self.calls[key[2:]] = call
            self.size += call.size
            return
        begun_at, at = decode_long(value, SINGLE_OBJECT_BYTES)
        batch = Batch(int(key[2:]), begun_at)
        count, at = decode_long(value, at)
        for _ in range(count):
            entry_at = at
            _, at = decode_long(value, at)
            _, answer_at = decode_long(value, at)
            _, at = decode_long(value, answer_at)
            _, at = decode_long(value, at)
            batch.entries.append(value[entry_at:answer_at])
            self.answers[value[entry_at:answer_at]] = value[answer_at:at]
        self.batches.append(batch)

    def sort(self) -> None:
        """Put everything into the order of the log again."""
        self.calls = OrderedDict(sorted(self.calls.items(), key=lambda item: item[1].call))
        self.batches = deque(sorted(self.batches, key=lambda batch: batch.base_offset))

    def rollback(self) -> None:
        """Undo every open transaction."""
        changed = False
        while self._journals:
            journal = self._journals.pop()
            if journal.added is not None:
                for entry in self.batches.pop().entries:
                    del self.answers[entry]
            for batch, answers in reversed(journal.forgotten):
                self.batches.appendleft(batch)
                self.answers.update(zip(batch.entries, answers, strict=True))
            for key, before in journal.calls.items():
                changed = True
                now = self.calls.pop(key, None)
                self.size -= 0 if now is None else now.size
                if before is not None:
                    self.calls[key] = before
                    self.size += before.size
        if changed:
            self.sort()

    def _drop(self, key: bytes) -> None:
        call = self.calls.pop(key, None)
        if call is not None:
            self._journals[-1].calls.setdefault(key, call)
            self.size -= call.size

    def _batch_state(self, batch: Batch) -> bytes:
        items = b"".join([entry + self.answers[entry] for entry in batch.entries])
        head = _ONCE_FRAME + encode_long(batch.begun_at) + encode_long(len(batch.entries))
        return head + items + b"\x00"


def _call_state(call: Call) -> bytes:
    fields = {"call": call.call, "begun_at": call.begun_at}
    return _CODEC.encode(CALL_STATE, fields | {"digest": call.digest, "count": call.count})


def _batch_key(batch: Batch) -> bytes:
    return b"o:%d" % batch.base_offset
