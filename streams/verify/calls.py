"""Calls with an idempotency key, as the home partition of their keys knows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

from streams.verify.before import Before

HOUR = 3_600_000
_KNOWN, _KEPT = 24 * HOUR, 26 * HOUR
_AT_MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Call:
    """A call; not *sure* when an older one may have had its key."""

    call: int
    begun_at: int
    digest: bytes
    count: int
    sure: bool = field(default=True, compare=False)


class Calls:
    """The calls by log key, in the order in which they began."""

    def __init__(self) -> None:
        self.known: dict[bytes, Call] = {}
        self.before = Before()
        self._entries = 0

    def know(self, key: bytes, call: Call) -> None:
        """Know a call, the newest of all."""
        self.forget(key)
        self.known[key] = call
        self._entries += 1 + call.count

    def forget(self, key: bytes) -> None:
        """Know nothing of this key."""
        old = self.known.pop(key, None)
        self._entries -= 0 if old is None else 1 + old.count

    def begin(self, key: bytes, new: Call) -> tuple[str, Call]:
        """Return what becomes of the call *new*, and the one that is known then."""
        for old in list(islice(self.known, 2)):
            if self.known[old].begun_at + _KEPT > new.begun_at:
                break
            self.forget(old)
        known, begun = self.known.get(key), self.before.calls.get(key) == new.call
        if known and not (begun and not known.sure) and new.begun_at < known.begun_at + _KNOWN:
            same = (known.digest, known.count) == (new.digest, new.count)
            return "KNOWN" if same else "OTHER_CALL", known
        # Of a key that the log did not meet so far, the changelog may have a later call, or none.
        sure = begun or bool(known) or new.begun_at >= self.before.begin_ms + _KEPT
        new = Call(new.call, new.begun_at, new.digest, new.count, sure)
        if self._entries + 1 + new.count > _AT_MOST:
            return "TOO_MANY", new
        self.know(key, new)
        return "BEGUN", new

    def may_differ(self, theirs: Call | None, ours: Call | None, now: int) -> bool:
        """Whether a log without its beginning says too little of a call that is known otherwise."""
        if self.before.begin_ms < 0:
            return False
        # Which of the old ones is forgotten first depends on those before them.
        known = [call for call in (theirs, ours) if call is not None]
        sure = ours is None or ours.sure
        return not sure or all(call.begun_at + _KEPT <= now for call in known)
