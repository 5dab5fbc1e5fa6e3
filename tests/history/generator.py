"""What clients ask for: a seed decides who, in which spelling, and with which context."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

# (organisation, mailing) -> its definition; 0 seconds: only by request.
MAILINGS: dict[tuple[int, int], dict[str, object]] = {
    (2, 1): {"dedup": "recipient+context", "interval": 1},
    (2, 2): {"dedup": "recipient", "interval": 0, "channels": ["email", "sms"]},
    (2, 3): {"dedup": "none", "interval": 2},
    (3, 1): {"dedup": "recipient+context", "interval": 0, "channels": ["email", "sms"]},
}
NO_MAILING = 9
# One more mailing lives at any time: when it is closed for good, one with the next number begins.
MORTAL_ORG, FIRST_MORTAL = 3, 101
MORTAL: dict[str, object] = {"dedup": "recipient", "interval": 1, "channels": ["sms"]}
# The few that everybody triggers: the k-th 1/k as often as the first.
FAMOUS = 300
_WEIGHTS = list(accumulate(1 / (rank + 1) for rank in range(FAMOUS)))
# Contexts that nobody who parses and writes them again leaves as they are.
AWKWARD = (
    b"",
    b'"XYZ-123"',
    b'{"total":1.10,"n":18446744073709551616}',
    b'{ "a" : [ 1e2 , -0.0 ] }',
    b'"\\u00e9\\/\\ud83d\\ude00"',
    '{"ø":"é","":" "}'.encode(),
    b"[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
    b"0.10000000000000000000000000001",
    b'{"b":1,"a":2,"b":1}',
    b'"' + b"long " * 100 + b'"',
)
# How many entries a call has: how often.
_BATCHES = {1: 50, 2: 25, 5: 14, 100: 8}
_LARGE = 1_000
# Of a hundred calls so many are for the mailing that will be closed.
_MORTAL_PERCENT = 8
NUMBERS = ("+4915112345678", "+43 660 1234567", "+31612345678")
# What else an entry may give: how often. A trigger that says 1 subscribes nobody again.
_GIVEN: dict[tuple[tuple[str, object], ...], int] = {
    (): 60,
    (("smsContact", NUMBERS[0]),): 18,
    (("smsContact", NUMBERS[1]), ("smsSubscribed", True)): 8,
    (("smsContact", NUMBERS[2]), ("smsSubscribed", False)): 2,
    (("status", 1),): 12,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it is sent: *who* is an address or a rid, *fields* are wrong or none."""

    who: str | int
    context: bytes
    fields: tuple[tuple[str, object], ...] = ()

    @property
    def sha(self) -> str:
        """Return the SHA-256 of the context; that of nothing when there is none."""
        return hashlib.sha256(self.context).hexdigest()

    def members(self, call: int) -> dict[str, object]:
        """Return the entry without its context; it carries its call's number as a name."""
        who: dict[str, object] = {"rid" if isinstance(self.who, int) else "email": self.who}
        return who | {"lastName": f"call {call}"} | dict(self.fields)

    def json(self, call: int) -> bytes:
        """Return the entry as the text of a body, its context untouched."""
        text = json.dumps(self.members(call), ensure_ascii=False).encode()
        return text[:-1] + b',"context":' + self.context + b"}" if self.context else text


@dataclass(frozen=True, slots=True)
class Asked:
    """A call to be made; *keyed*: under an idempotency key, so that anybody may make it again.

    *key* is that of another call, which has it already.
    """

    org: int
    mid: int
    entries: tuple[Entry, ...]
    keyed: bool = False
    key: str = ""

    def key_of(self, call: int) -> str:
        """Return the idempotency key; nothing when there is none."""
        return self.key or (f"key of call {call}" if self.keyed else "")

    def body(self, call: int) -> bytes:
        """Return the call's body."""
        return b"[" + b",".join(entry.json(call) for entry in self.entries) + b"]"


@dataclass(frozen=True, slots=True)
class Mix:
    """What a load is made of: *largest* bounds a call's entries.

    Of a hundred calls *large* have a thousand entries and more, where they may, and *keyed* an
    idempotency key; of a hundred entries some *new* are for somebody who is new. *closing*:
    mailings are closed for good and others begun.
    """

    largest: int = 1_000
    large: int = 3
    keyed: int = 8
    new: int = 40
    closing: bool = True


@dataclass(slots=True)
class Known:
    """The rids that callers were told, by organisation: what the next ones may ask for.

    And the number of the mailing that lives.
    """

    rids: dict[int, list[int]] = field(default_factory=lambda: {2: [], 3: []})
    mortal: int = FIRST_MORTAL

    def learn(self, org: int, results: Sequence[object]) -> None:
        """Remember some of what a call was told."""
        mine = self.rids.setdefault(org, [])
        mine += [rid for rid in results[:3] if isinstance(rid, int)]
        del mine[:-2_000]


@dataclass(slots=True)
class Generator:
    """The calls of one process."""

    process: int
    rng: random.Random
    known: Known
    mix: Mix
    _made: int = 0

    def next(self) -> Asked:
        """Return the next call."""
        org, mid = self.rng.choice(tuple(MAILINGS))
        if self.rng.random() < 0.02:
            mid = NO_MAILING
        elif self.rng.randrange(100) < _MORTAL_PERCENT:
            org, mid = MORTAL_ORG, self.known.mortal
        shares = _BATCHES | {_LARGE: self.mix.large}
        size = self.rng.choices(tuple(shares), tuple(shares.values()))[0]
        size = min(size, self.mix.largest)
        if size == _LARGE:
            size += self.rng.randrange(500)
        entries = [self._entry(org) for _ in range(size)]
        if size > 1 and self.rng.random() < 0.2:
            # The same twice in a call.
            entries[self.rng.randrange(1, size)] = entries[0]
        return Asked(org, mid, tuple(entries), keyed=self.rng.randrange(100) < self.mix.keyed)

    def _entry(self, org: int) -> Entry:
        context = self._context()
        shares = {"new": self.mix.new, "famous": 85 - self.mix.new, "rid": 10, "wrong": 5}
        kind = self.rng.choices(tuple(shares), tuple(shares.values()))[0]
        if kind == "rid" and self.known.rids[org]:
            return Entry(self.rng.choice(self.known.rids[org]), context)
        if kind == "wrong":
            return self._wrong(org, context)
        if kind == "new":
            self._made += 1
            given = (("status", 0),) if self.rng.random() < 0.05 else self._given()
            return Entry(f"new{self.process}-{self._made}@example.org", context, given)
        return replace(self.famous(context), fields=self._given())

    def famous(self, context: bytes = b"") -> Entry:
        """Return an entry for one whom everybody triggers."""
        rank = self.rng.choices(range(FAMOUS), cum_weights=_WEIGHTS)[0]
        return Entry(spelt(rank, self.rng), context)

    def _given(self) -> tuple[tuple[str, object], ...]:
        return self.rng.choices(tuple(_GIVEN), tuple(_GIVEN.values()))[0]

    def _context(self) -> bytes:
        if self.rng.random() < 0.5:
            return self.rng.choice(AWKWARD)
        return b'{"id":"%x","awkward":%s}' % (
            self.rng.getrandbits(64),
            self.rng.choice(AWKWARD[1:]),
        )

    def _wrong(self, org: int, context: bytes) -> Entry:
        foreign = self.known.rids[5 - org]
        return self.rng.choice(
            (
                Entry("nobody", context),
                Entry(f"famous1@example.org{' ' * 3}x", context),
                Entry("famous1@example.org", context, (("shoeSize", 43),)),
                Entry(1024 * 10**9 + self.rng.randrange(4), context),
                Entry(2**52 + 1000, context),
                Entry(self.rng.choice(foreign) if foreign else 7, context),
                Entry(
                    self.rng.choice(self.known.rids[org]) if self.known.rids[org] else 1,
                    context,
                    (("email", "somebody.else@example.org"),),
                ),
            )
        )


def spelt(rank: int, rng: random.Random) -> str:
    """Return an address of the famous person of *rank*, in one of its spellings."""
    address = f"zoë{rank}@exämple.org" if rank % 20 == 19 else f"famous{rank}@example.org"
    return rng.choice((address, address, address.upper(), address.title()))
