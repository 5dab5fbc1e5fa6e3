"""Recipients in memory."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from itertools import compress
from operator import le, ne
from typing import TYPE_CHECKING

from streams.core.recipients import head_of, rids_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streams.core.recipients import ChangelogRecord, Reached


class MemoryRecipients:
    """A `RecipientTable` of a dictionary; uncommitted writes are undone from a journal.

    Rids grow with the log, so they are found by bisection in an array beside a list of the
    dictionary's own keys: 16 bytes a recipient where a second dictionary takes 74.
    """

    kept_to = None

    def __init__(self) -> None:
        self._by_key: dict[bytes, bytes] = {}
        # Invariant: ascending outside of a load, and _keys[n] is the key of _rids[n]; empty where
        # that one was removed.
        self._rids = array("q")
        self._keys: list[bytes] = []
        # Those who were put back where the array has no place for them.
        self._back: dict[int, bytes] = {}
        # Of each open transaction: how many recipients there were, and what it wrote over, or took
        # away, or None for those it put back.
        self._journals: deque[tuple[int, list[tuple[bytes, bytes | None]]]] = deque()
        # The hot path calls the dictionary's own method.
        self.get = self._by_key.get

    def key_of(self, rid: int) -> bytes | None:
        at = bisect_left(self._rids, rid)
        found = at < len(self._rids) and self._rids[at] == rid
        return (self._keys[at] if found else self._back.get(rid)) or None

    def prefetch(self, keys: Iterable[bytes | None]) -> None:
        """Everything is ready always."""

    def put(self, key: bytes, value: bytes, rid: int) -> None:
        before = self._by_key.get(key)
        if before is None:
            self._rids.append(rid)
            self._keys.append(key)
        else:
            self._journals[-1][1].append((key, before))
        self._by_key[key] = value

    def remove(self, key: bytes, rid: int) -> None:
        self._journals[-1][1].append((key, self._by_key.pop(key)))
        self._name(rid, b"")

    def put_back(self, key: bytes, value: bytes, rid: int) -> None:
        self._journals[-1][1].append((key, None))
        self._by_key[key] = value
        self._name(rid, key)

    def _name(self, rid: int, key: bytes) -> None:
        """Let *rid* lead to *key*, or to nobody."""
        at = bisect_left(self._rids, rid)
        if at < len(self._rids) and self._rids[at] == rid:
            self._keys[at] = key
        elif key:
            self._back[rid] = key
        else:
            del self._back[rid]

    def begin(self) -> None:
        self._journals.append((len(self._keys), []))

    def keep(self, records: Sequence[ChangelogRecord], offset: int) -> None:
        """The changelog is all that outlives the process."""

    def commit(self) -> None:
        self._journals.popleft()

    def rollback(self) -> None:
        while self._journals:
            count, written_over = self._journals.pop()
            for key, before in reversed(written_over):
                if before is None:
                    self._name(head_of(self._by_key.pop(key))[0], b"")
                    continue
                if key not in self._by_key:
                    self._name(head_of(before)[0], key)
                self._by_key[key] = before
            for key in self._keys[count:]:
                del self._by_key[key]
            del self._keys[count:], self._rids[count:]

    def kept(self) -> list[ChangelogRecord]:
        return []

    def load(self, keys: list[bytes], values: list[bytes], others: list[ChangelogRecord]) -> None:
        self._by_key.update(zip(keys, values, strict=True))
        self._rids += rids_of(values)
        self._keys += keys

    def unload(self, key: bytes) -> None:
        self._by_key.pop(key, None)

    def finish_load(self, reached: Reached | None) -> None:
        """Bring the rids in order: who changed came late, and maybe more than once.

        Whoever was unloaded is among them still.
        """
        rids, keys = self._rids, self._keys
        if not all(map(le, rids, rids[1:])):
            order = sorted(range(len(rids)), key=rids.__getitem__)
            rids = array("q", map(rids.__getitem__, order))
            keys = list(map(keys.__getitem__, order))
        if len(rids) > len(self._by_key):
            first = [True, *map(ne, rids, rids[1:])]
            rids = array("q", compress(rids, first))
            keys = list(compress(keys, first))
        if len(rids) > len(self._by_key):
            there = list(map(self._by_key.__contains__, keys))
            rids = array("q", compress(rids, there))
            keys = list(compress(keys, there))
        self._rids, self._keys = rids, keys
