"""Recipients in memory."""

from __future__ import annotations

from collections import deque

from streams.core.recipients import unpack


class MemoryRecipients:
    """A `RecipientTable` of two dictionaries; uncommitted writes are undone from a journal."""

    def __init__(self) -> None:
        self._by_key: dict[bytes, bytes] = {}
        self._by_rid: dict[int, bytes] = {}
        self._journals: deque[list[tuple[bytes, bytes | None, int]]] = deque()
        # The hot path calls the dictionaries' own methods.
        self.get = self._by_key.get
        self.key_of = self._by_rid.get

    def put(self, key: bytes, value: bytes, rid: int) -> None:
        self._journals[-1].append((key, self._by_key.get(key), rid))
        self._by_key[key] = value
        self._by_rid[rid] = key

    def begin(self) -> None:
        self._journals.append([])

    def commit(self) -> None:
        self._journals.popleft()

    def rollback(self) -> None:
        while self._journals:
            for key, before, rid in reversed(self._journals.pop()):
                if before is None:
                    del self._by_key[key]
                    del self._by_rid[rid]
                else:
                    self._by_key[key] = before

    def load(self, key: bytes, value: bytes) -> None:
        self._by_key[key] = value
        self._by_rid[unpack(value).rid] = key

    def __len__(self) -> int:
        return len(self._by_key)
