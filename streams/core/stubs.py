"""What a partition keeps of those who were erased, and how to take a step back.

A stub is found by a digest of the recipient's log key under the partition's secret: who has an
address can ask whether it is that one's, and nobody can read the address from it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

from schemas.codec import Codec
from schemas.records import ERASED_RECIPIENT, STUB_KEY

if TYPE_CHECKING:
    from streams.core.recipients import ChangelogRecord

_CODEC = Codec()
_DIGEST_BYTES: Final = 16
_PREFIX: Final = b"e:"
_SECRET_KEY: Final = b"e:key"


class Stub(NamedTuple):
    """What is left of a recipient; *status* and *sms_opted_out* hold when its address comes back.

    *erased* is a log time in ms.
    """

    orgid: int
    rid: int
    status: int
    sms_opted_out: bool
    erased: int


@dataclass(slots=True)
class _Journal:
    """The secret before a transaction, and the stubs before it of the digests that it changed."""

    secret: bytes
    stubs: dict[bytes, Stub | None] = field(default_factory=dict)


class StubTable:
    """Stubs by digest and by rid. All in memory: whoever is erased is one of a few."""

    def __init__(self) -> None:
        self.secret = b""
        self.stubs: dict[bytes, Stub] = {}
        self._digests: dict[int, bytes] = {}
        self._journals: deque[_Journal] = deque()

    def find(self, key: bytes) -> Stub | None:
        """Return what is left of the recipient with this log key."""
        return self.stubs.get(self._digest(key)) if self.stubs else None

    def of_rid(self, rid: int) -> Stub | None:
        """Return what is left of the recipient that had *rid*, and will have it again."""
        digest = self._digests.get(rid)
        return None if digest is None else self.stubs[digest]

    def add(self, key: bytes, stub: Stub, secret: bytes) -> None:
        """Keep a stub; *secret* keys this one and all later ones if it is the first."""
        if not self.secret:
            self.secret = secret
        self._set(self._digest(key), stub)

    def forget(self, key: bytes) -> None:
        """Forget the stub of somebody who has come back."""
        self._set(self._digest(key), None)

    def begin(self) -> None:
        """Start a transaction."""
        self._journals.append(_Journal(self.secret))

    def commit(self) -> None:
        """Keep what the oldest open transaction did."""
        self._journals.popleft()

    def rollback(self) -> None:
        """Undo every open transaction."""
        while self._journals:
            journal = self._journals[-1]
            for digest, before in list(journal.stubs.items()):
                self._set(digest, before)
            self.secret = journal.secret
            self._journals.pop()

    def records(self) -> list[ChangelogRecord]:
        """Return the changelog records of the newest transaction."""
        journal = self._journals[-1]
        records: list[ChangelogRecord] = []
        if journal.secret != self.secret:
            records.append((_SECRET_KEY, _CODEC.encode(STUB_KEY, {"secret": self.secret})))
        for digest in journal.stubs:
            stub = self.stubs.get(digest)
            value = None if stub is None else stub_state(stub)
            records.append((_PREFIX + digest.hex().encode(), value))
        return records

    def load(self, key: bytes, value: bytes) -> None:
        """Take a changelog record, `e:`, of today's schema; in any order."""
        record = _CODEC.decode(value)[1]
        if key == _SECRET_KEY:
            self.secret = record["secret"]
            return
        stub = Stub(**record)
        digest = bytes.fromhex(key[len(_PREFIX) :].decode())
        self.stubs[digest] = stub
        self._digests[stub.rid] = digest

    def _set(self, digest: bytes, stub: Stub | None) -> None:
        before = self.stubs.pop(digest, None)
        if before is not None:
            del self._digests[before.rid]
        self._journals[-1].stubs.setdefault(digest, before)
        if stub is not None:
            self.stubs[digest] = stub
            self._digests[stub.rid] = digest

    def _digest(self, key: bytes) -> bytes:
        return blake2b(key, key=self.secret, digest_size=_DIGEST_BYTES).digest()


def stub_state(stub: Stub) -> bytes:
    """Return a stub as the changelog and an answer have it, framed."""
    return _CODEC.encode(ERASED_RECIPIENT, stub._asdict())
