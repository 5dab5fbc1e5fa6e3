"""Recipients in RocksDB: the partition's changelog, compacted, on the local disk.

Keys and values are the changelog's own, of every kind, so that a restart needs no more of the
topic than what came after; but a recipient has a record of its own, ``r:<log key>``. Beside them:
``s`` and a number lead to the log keys of a span of rids, ``i`` and a rid to that of somebody who
was restored, or came back; ``about`` says which changelog this is and up to where.

What RocksDB has not written out yet is looked up here, in dictionaries: so its own memory need not
be sorted while we wait, only when it is written, and on RocksDB's thread.
"""

from __future__ import annotations

import json
import shutil
import time
from array import array
from collections import deque
from contextlib import contextmanager, suppress
from itertools import chain, compress, filterfalse, islice, repeat
from operator import contains
from typing import TYPE_CHECKING, Any, NamedTuple

from rocksdict import WriteBatch

from streams.core.changelog import META_KEY, RECIPIENT_FRAME
from streams.core.recipients import Mark, rids_of
from streams.store.errors import StoreClosed, StoreError, StoreUnfit
from streams.store.rid_index import SPAN, RidIndex, index_of, key_in
from streams.store.rocksdb_options import open_database, told_in_our_words, unlogged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from rocksdict import Rdict

    from streams.core.recipients import ChangelogRecord, Reached

# Grows when this file writes something that an older one would misread, or the other way round.
LAYOUT = 3
_ABOUT = b"about"
# What is cached beyond open transactions: some 15 MB a partition.
_CACHED = 32_768
# Written out when so many have gathered, 15 MB or so; a kill loses twice that, and reads it again
# from the changelog in less than a second.
_GATHERED = 32_768
# And after so long, or where little comes memory would fill for hours, and a kill would lose them.
_WRITE_OUT_EVERY_S = 300.0
# A write holds the interpreter, about 0.6 us a record: others get their turn in between.
_BATCH = 2_000
# Above any rid.
_NEVER = 2**63
_NUMBER_SIGN = ord("#")
# What `keep` has from the transactions' own writes.
_OF_RECIPIENTS = (b"b:", b"r:")
# What a state has in memory, beside `meta`.
_IN_MEMORY = (b"c:", b"e:", b"k:", b"m:", b"o:", b"p:", b"w:")


class About(NamedTuple):
    """Whose changelog a database holds, and how far.

    *frame* is the schema of its recipients: a table gives bytes out as they are.
    """

    layout: int
    frame: str
    changelog_id: str
    offset: int
    written_at: float


class _Reading(dict[Any, bytes | None]):
    """A dictionary that lets *read* put in what it has not; so a hit is a dictionary's look-up."""

    def __init__(self, read: Callable[[Any], bytes | None]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, key: Any) -> bytes | None:
        return self._read(key)

    def close(self) -> None:
        """Let go of everything, and of who reads, which holds this: or only a collector would."""
        self._read = _closed
        self.clear()


class _Writes(NamedTuple):
    """What transactions wrote: values by log key, and who has the new rids.

    None is the value of somebody who was removed. *moved* are the log keys of older rids: empty for
    who was removed, and of who was put back the same as before.
    """

    values: dict[bytes, bytes | None]
    new: RidIndex
    moved: dict[int, bytes]

    def add(self, other: _Writes) -> None:
        """Put what is newer over what is here."""
        self.values.update(other.values)
        self.new.extend(other.new)


def _no_writes() -> _Writes:
    return _Writes({}, RidIndex(array("q"), []), {})


class RocksRecipients:
    """A `RecipientTable` on disk.

    Invariant: what the caches hold is what the newest transaction sees, and nothing of an open
    transaction ever leaves them; so only `keep` writes, and only what is in the changelog. What is
    in neither the caches nor `_gathered` nor `_leaving` is as the files have it.
    """

    def __init__(
        self, path: Path, changelog_id: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.path = path
        self._changelog_id = changelog_id
        self._clock = clock
        self._values = _Reading(self._read_value)
        self._keys = _Reading(self._read_key)
        self._open: deque[_Writes] = deque()
        # In RocksDB's memory: since it was last told to write out, and what it may be writing.
        self._gathered = _no_writes()
        self._leaving = _no_writes()
        self._written_out_at = clock()
        # Whether `_gathered` has all of the last span, which is written again when it grows.
        self._spanned = False
        self._unlogged = unlogged()
        # Deleted by the changelog that is being loaded.
        self._unloaded: set[bytes] = set()
        # The hot path calls the dictionaries' own method.
        self.get = self._values.__getitem__
        self.key_of = self._keys.__getitem__
        self._about: About | None = None
        self._db = self._opened()
        if self._about is None:
            # A filling that was cut short is done anew, quietly.
            self._db.close()
            destroy(path)
            self._db = self._opened()

    @property
    def kept_to(self) -> Mark | None:
        about = self._about
        return None if about is None else Mark(about.offset, about.written_at)

    def kept(self) -> list[ChangelogRecord]:
        if self._about is None:
            return []
        with self._watched():
            records: list[ChangelogRecord] = [(META_KEY, self._db.get(META_KEY))]
            for kind in _IN_MEMORY:
                found = self._db.iter()
                found.seek(kind)
                while found.valid() and (key := found.key()).startswith(kind):
                    records.append((key, found.value()))
                    found.next()
                # At a damaged block an iterator is at its end, and only here says why.
                found.status()
        return records

    def load(self, keys: list[bytes], values: list[bytes], others: list[ChangelogRecord]) -> None:
        self.rollback()
        self._unloaded.difference_update(keys)
        recipients = zip([b"r:" + key for key in keys], values, strict=True)
        index = zip(map(_rid_key, rids_of(values)), keys, strict=True)
        # `meta` is written last: until then the database is as far as it was before.
        rest = (record for record in others if record[0] != META_KEY)
        self._write(chain(recipients, index, rest))

    def unload(self, key: bytes) -> None:
        self._unloaded.add(key)

    def finish_load(self, reached: Reached | None) -> None:
        gone: list[ChangelogRecord] = []
        if self._unloaded:
            # Now, and out of files: each look-up in memory would sort it.
            with self._watched():
                self._db.flush()
            keys = list(map(b"r:".__add__, self._unloaded))
            found = [
                (key, value) for key, value in zip(keys, self._read(keys), strict=True) if value
            ]
            rids = rids_of([value for _, value in found])
            gone = [(key, None) for key, _ in found] + self._unnamed(dict.fromkeys(rids, b""), [])
            self._unloaded.clear()
        self._write(gone, reached)
        with self._watched():
            self._db.flush()

    def prefetch(self, keys: Iterable[bytes | None]) -> None:
        # Not a difference of sets, which would walk through all of the cache: it is no plain
        # dictionary.
        is_cached = self._values.__contains__
        unknown: set[Any] = set(filterfalse(is_cached, keys))
        unknown.discard(None)
        # By a number, which takes a third of the time of bytes: most have none.
        has_number_sign = map(contains, unknown, repeat(_NUMBER_SIGN))
        some = compress(unknown, has_number_sign)
        named = {key: rid for key in some if (rid := _rid_named(key))}
        if named:
            self._cache_keys(set(filterfalse(self._keys.__contains__, named.values())))
            unknown.difference_update(named)
            # `get` asks nobody for one that is not there.
            keys_of = map(self._keys.get, named.values())
            unknown.update(filterfalse(is_cached, keys_of))
            unknown.discard(None)
        self._cache_values(unknown)

    def put(self, key: bytes, value: bytes, rid: int) -> None:
        writes = self._open[-1]
        if self._values[key] is None:
            writes.new.add(rid, key)
        writes.values[key] = self._values[key] = value

    def remove(self, key: bytes, rid: int) -> None:
        writes = self._open[-1]
        writes.values[key] = self._values[key] = None
        writes.moved[rid] = b""
        self._keys.pop(rid, None)

    def put_back(self, key: bytes, value: bytes, rid: int) -> None:
        writes = self._open[-1]
        writes.values[key] = self._values[key] = value
        writes.moved[rid] = self._keys[rid] = key

    def begin(self) -> None:
        if len(self._values) + len(self._keys) > _CACHED:
            self._shrink()
        self._open.append(_no_writes())

    def keep(self, records: Sequence[ChangelogRecord], offset: int) -> None:
        *rest, (_, meta) = records
        assert meta is not None  # noqa: S101 - it is never deleted
        writes = self._open[0]
        recipients = zip(map(b"r:".__add__, writes.values), writes.values.values(), strict=True)
        others = (record for record in rest if record[0][:2] not in _OF_RECIPIENTS)
        for rid in writes.moved:
            for index in (writes.new, self._gathered.new, self._leaving.new):
                index.remove(rid)
        spans = self._index(writes.new)
        moved = self._unnamed(writes.moved, spans) if writes.moved else []
        self._write(chain(recipients, spans, moved, others), (offset, meta))
        self._gathered.add(writes)
        waited = self._clock() - self._written_out_at
        # Files are what is compacted, and only that deletes what was removed.
        if writes.moved or len(self._gathered.values) >= _GATHERED or waited > _WRITE_OUT_EVERY_S:
            self._write_out()

    def _unnamed(
        self, moved: Mapping[int, bytes], written: Iterable[tuple[bytes, bytes]]
    ) -> list[ChangelogRecord]:
        """Return what lets these rids lead to nobody, or to who was put back.

        The spans of *written* have them no more.
        """
        spans = {_span_key(rid) for rid in moved}.difference(key for key, _ in written)
        records: list[ChangelogRecord] = [
            (_rid_key(rid), key or None) for rid, key in moved.items()
        ]
        named = sorted(spans)
        for span, record in zip(named, self._read(named), strict=True):
            left = index_of(record or b"", array("q"))
            for rid in moved:
                left.remove(rid)
            again = left.records()
            records.append((span, (again[0][1] or None) if again else None))
        return records

    def _index(self, new: RidIndex) -> list[tuple[bytes, bytes]]:
        """Return the records of the spans that *new* ones are in, whole again."""
        if not new.keys:
            return []
        start = new.rids[0] // SPAN * SPAN
        if not self._spanned:
            self._spanned = True
            (before,) = self._read([_span_key(start)])
            self._gathered.new.extend(index_of(before or b"", array("q")))
        whole = self._gathered.new.since(start)
        whole.extend(new)
        return [(_span_key(number * SPAN), record) for number, record in whole.records()]

    def commit(self) -> None:
        self._open.popleft()

    def rollback(self) -> None:
        self._open.clear()
        self._values.clear()
        self._keys.clear()

    def close(self) -> None:
        """Write out what is in memory, if that is possible, and let others have the database."""
        with suppress(StoreError), told_in_our_words(self.path):
            try:
                if self._about is not None:
                    self._db.flush()
            finally:
                self._values.close()
                self._keys.close()
                self._db.close()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Name what goes wrong; a database found damaged is not trusted by any later opening."""
        try:
            with told_in_our_words(self.path):
                yield
        except StoreUnfit:
            (self.path / "CURRENT").unlink(missing_ok=True)
            raise

    def _opened(self) -> Rdict:
        """Open the database; `_about` is what it says of itself, if it was filled to the end."""
        with told_in_our_words(self.path):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            opened = open_database(self.path)
            try:
                self._about = self._fitting(opened.get(_ABOUT))
            except BaseException:
                opened.close()
                raise
        return opened

    def _fitting(self, found: bytes | None) -> About | None:
        if found is None:
            return None
        layout, *rest = json.loads(found)
        if layout != LAYOUT or rest[0] != RECIPIENT_FRAME.hex():
            raise StoreUnfit("another release wrote it")
        about = About(layout, *rest)
        if about.changelog_id != self._changelog_id:
            raise StoreUnfit("it was made from another changelog")
        return about

    def _write(self, records: Iterable[ChangelogRecord], reached: Reached | None = None) -> None:
        """Write records in order; how far they reach, and the `meta` that says so, at the end."""
        rest = iter(records)
        more = True
        while more:
            batch = WriteBatch(raw_mode=True)
            put = batch.put
            for key, value in islice(rest, _BATCH):
                if value is None:
                    batch.delete(key)
                else:
                    put(key, value)
            more = len(batch) == _BATCH
            if reached is not None and not more:
                offset, meta = reached
                frame = RECIPIENT_FRAME.hex()
                about = About(LAYOUT, frame, self._changelog_id, offset, self._clock())
                put(META_KEY, meta)
                put(_ABOUT, json.dumps(about).encode())
                self._about = about
            with self._watched():
                self._db.write(batch, self._unlogged)

    def _write_out(self) -> None:
        """Let RocksDB write what has gathered, unless it still writes what had gathered before."""
        with self._watched():
            if self._db.property_int_value("rocksdb.num-immutable-mem-table"):
                return
            # In this order: who looks through both meanwhile finds it at least once.
            self._leaving = self._gathered
            new = self._leaving.new
            last = new.rids[-1] // SPAN * SPAN if new.keys else 0
            # Of the last span it will be asked again, and not of a memory that is a list.
            self._gathered = _Writes({}, new.since(last), {})
            self._db.flush(wait=False)
        self._written_out_at = self._clock()

    def _cache_values(self, keys: set[bytes]) -> None:
        """Know what was written last, else what the files have."""
        cache = self._values
        for written in (self._gathered.values, self._leaving.values):
            found = written.keys() & keys
            cache.update({key: written[key] for key in found})
            keys = keys - found
        wanted = list(keys)
        on_disk = self._read(list(map(b"r:".__add__, wanted)))
        cache.update(zip(wanted, on_disk, strict=True))

    def _cache_keys(self, rids: Iterable[int]) -> None:
        """Know the log keys of those who are there; who is not may come."""
        recent = self._gathered.new, self._leaving.new
        written = *(writes.new for writes in self._open), *recent
        # From the first of these on, what we have is whole: no span there has more.
        first = min((new.rids[0] for new in recent if new.keys), default=_NEVER) // SPAN * SPAN
        alone: list[int] = []
        in_spans: list[int] = []
        moved: dict[int, bytes] = {}
        for writes in self._open:
            moved.update(writes.moved)
        for rid in rids:
            if rid in moved:
                if moved[rid]:
                    self._keys[rid] = moved[rid]
                continue
            for new in written:
                if (key := new.key_of(rid)) is not None:
                    self._keys[rid] = key
                    break
            else:
                alone.append(rid)
                if rid < first:
                    in_spans.append(rid)
        found = zip(alone, self._read(list(map(_rid_key, alone))), strict=True)
        self._keys.update((rid, key) for rid, key in found if key is not None)
        spans = self._read(list(map(_span_key, in_spans)))
        for rid, span in zip(in_spans, spans, strict=True):
            if span is not None and (key := key_in(span, rid)) is not None:
                self._keys[rid] = key

    def _read(self, keys: list[Any]) -> list[bytes | None]:
        if not keys:
            return []
        with self._watched():
            return list(self._db.get(keys) or ())

    def _read_value(self, key: bytes) -> bytes | None:
        self._cache_values({key})
        return self._values[key]

    def _read_key(self, rid: int) -> bytes | None:
        if rid < 0:
            return None
        self._cache_keys((rid,))
        return dict.get(self._keys, rid)

    def _shrink(self) -> None:
        """Forget what open transactions did not write."""
        self._values.clear()
        self._keys.clear()
        for writes in self._open:
            self._values.update(writes.values)


def _closed(_: object) -> None:
    raise StoreClosed("the database was closed")


def destroy(path: Path) -> None:
    """Delete a database that nobody has open."""
    shutil.rmtree(path, ignore_errors=True)


def _rid_key(rid: int) -> bytes:
    # Big-endian, so that neighbours in time are neighbours on disk.
    return b"i" + rid.to_bytes(8, "big")


def _span_key(rid: int) -> bytes:
    return b"s" + (rid // SPAN).to_bytes(8, "big")


def _rid_named(key: bytes) -> int:
    """Return the rid that an event's key names; 0 when it is an address."""
    _, _, name = key.partition(b":#")
    return int(name) if name.isdigit() and len(name) < 19 else 0
