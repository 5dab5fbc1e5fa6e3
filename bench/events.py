"""A backlog of RecipientTriggered events as callers make them, the same for every contestant."""

from __future__ import annotations

import random
from array import array
from functools import cache
from itertools import cycle
from typing import TYPE_CHECKING

from schemas.codec import Codec
from schemas.ids import mailing_key, partition_of_rid, recipient_key, rid_key, rid_of
from schemas.partition import partition_for
from schemas.profiles import write_profile
from schemas.records import (
    API_TRIGGERED,
    MAILING_DEFINED,
    RECIPIENT_TRIGGERED,
    DedupPolicy,
    Origin,
)
from schemas.topics import ACK_PARTITIONS
from schemas.varint import encode_bytes, encode_long

if TYPE_CHECKING:
    from collections.abc import Iterator

ORGID = 2
MID = 1
PARTITIONS = 4

# Of 100 events: 60 create a recipient, 30 are for a known one, 5 repeat a pending message, and 5
# name a known recipient by rid.
_NEW, _KNOWN, _DUPLICATE = 0.60, 0.90, 0.95
_CONTEXT_BYTES = (50, 200)
# With address and context an entry has 8 to 14 fields.
_PROFILE_FIELDS = (6, 12)
_PROFILE: dict[str, tuple[object, ...]] = {
    "firstName": ("John", "Mária", "Søren", "Ayşe", "Li", "Chukwuemeka"),
    "lastName": ("Doe", "Kovács", "Jensen", "Öztürk", "Wang", "Papadopoulos"),
    "gender": ("f", "m", "x"),
    "birthDate": ("1970-01-01", "1988-12-24", "2001-06-15"),
    "address1": ("1 Main Street", "Fő utca 12.", "Nørregade 7"),
    "city": ("Springfield", "Budapest", "København"),
    "region": ("IL", "Pest", "Hovedstaden"),
    "postalCode": ("62701", "1011", "1165"),
    "countryCode": ("US", "HU", "DK"),
    "languageCode": ("eng", "hun", "dan"),
    "phone1": ("+15555550100", "+3615555555"),
    "contentType": (1, 2, 3),
    "smsContact": ("+15555550123", "+36205555555"),
    "smsSubscribed": (True, False),
}
# Making a profile takes longer than writing an event, and nobody's work depends on its text.
_PROFILES = 1_000
_NOT_GIVEN = encode_long(-1)
_FIRST = encode_long(0)
_NO_RID = encode_long(0)

Record = tuple[int, bytes, bytes]
"""(partition, key, value)"""


class EventMaker:
    """Makes a log from its first record on.

    *known* recipients are there already, those of `known_recipient`: the log begins behind them.
    Each event is a call of its own, so that nothing is answered together. Their mailings, from MID
    on, take turns; without *interval_s* no timer joins the run. *entries* counts the recipients and
    the pending messages that the log leaves.
    """

    def __init__(
        self, *, seed: int, known: int = 0, mailings: int = 1, interval_s: int = 0
    ) -> None:
        self._rng = random.Random(seed)
        self._codec = Codec()
        self._known, begin = known_rids(known)
        self._ends = list(begin)
        self._new: list[tuple[str, int]] = []
        self._pending: list[tuple[str, bytes, bytes]] = []
        self._interval_s = interval_s
        self.entries = 0
        frame = self._codec.framing.prefixes[RECIPIENT_TRIGGERED] + encode_long(ORGID)
        self._mids = range(MID, MID + mailings)
        self._heads = cycle([frame + encode_long(mid) for mid in self._mids])
        self._replies = [encode_long(number) for number in range(ACK_PARTITIONS)]
        self.profiles = [self._profile() for _ in range(_PROFILES)]

    def definitions(self) -> Iterator[Record]:
        """Yield the first records of every partition: the request at home, its copies elsewhere."""
        for mid in self._mids:
            key = mailing_key(ORGID, mid)
            home = partition_for(key, PARTITIONS)
            for partition in range(PARTITIONS):
                self._ends[partition] += 1
                yield partition, key, self._definition(mid, copy=partition != home)

    def triggers(self, count: int) -> Iterator[Record]:
        """Yield *count* events."""
        rng = self._rng
        for _ in range(count):
            kind = rng.random() if self._new else 0
            context, head = self._context(), next(self._heads)
            if kind < _NEW:
                email = f"recipient.{len(self._new)}@example{int(rng.random() * 1000)}.com"
                record = self._by_address(email, context, head)
                partition = record[0]
                self._new.append((email, rid_of(self._ends[partition] - 1, partition)))
                self._pending.append((email, context, head))
                self.entries += 2
            elif kind < _KNOWN:
                record = self._by_address(self._somebody()[0], context, head)
                self.entries += 1
            elif kind < _DUPLICATE:
                record = self._by_address(*self._pending[int(rng.random() * len(self._pending))])
            else:
                record = self._by_rid(self._somebody()[1], context, head)
                self.entries += 1
            yield record

    def _somebody(self) -> tuple[str, int]:
        if not self._known:
            return self._new[int(self._rng.random() * len(self._new))]
        place = int(self._rng.random() * len(self._known))
        return known_recipient(place), self._known[place]

    def _by_address(self, email: str, context: bytes, head: bytes) -> Record:
        key = recipient_key(ORGID, email)
        partition = partition_for(key, PARTITIONS)
        profile = self.profiles[int(self._rng.random() * _PROFILES)]
        return self._record(partition, key, head, _NO_RID, context, email, profile)

    def _by_rid(self, rid: int, context: bytes, head: bytes) -> Record:
        profile = self.profiles[0]
        place, key = partition_of_rid(rid), rid_key(ORGID, rid)
        return self._record(place, key, head, encode_long(rid), context, "", profile)

    def _record(
        self,
        partition: int,
        key: bytes,
        head: bytes,
        rid: bytes,
        context: bytes,
        email: str,
        profile: bytes,
    ) -> Record:
        rng = self._rng
        self._ends[partition] += 1
        value = b"".join(
            (
                head,
                encode_bytes(b"%032x" % rng.getrandbits(128)),
                _FIRST,
                self._replies[int(rng.random() * ACK_PARTITIONS)],
                rid,
                _NOT_GIVEN,
                encode_bytes(context),
                encode_bytes(email.encode()),
                profile,
            )
        )
        return partition, key, value

    def _context(self) -> bytes:
        rng = self._rng
        shortest, longest = _CONTEXT_BYTES
        length = shortest + int(rng.random() * (longest - shortest + 1))
        start = b'{"order":"%016x","total":1.10,"text":"' % rng.getrandbits(64)
        return start + b"x" * (length - len(start) - 2) + b'"}'

    def _profile(self) -> bytes:
        """Return a profile as it stands at the end of an event."""
        rng = self._rng
        names = rng.sample(list(_PROFILE), rng.randint(*_PROFILE_FIELDS))
        return write_profile({name: rng.choice(_PROFILE[name]) for name in names})

    def _definition(self, mid: int, *, copy: bool) -> bytes:
        fields = {
            "orgid": ORGID,
            "mid": mid,
            "request_id": "definition",
            "index": 0,
            "reply_partition": -1,
            "origin": Origin.COPY if copy else Origin.REQUEST,
            "revision": int(copy),
            "name": "Benchmark",
            "type": API_TRIGGERED,
            "dedup": DedupPolicy.RECIPIENT_CONTEXT,
            "interval_s": self._interval_s,
        }
        return self._codec.encode(MAILING_DEFINED, fields)


def known_recipient(number: int) -> str:
    """Return the address of one of those that are there before the log begins."""
    return f"known.{number}@example{number % 1000}.com"


@cache
def known_rids(known: int) -> tuple[array[int], tuple[int, ...]]:
    """Return the rids a log gives the first *known* of them, and how many a partition has."""
    rids = array("q")
    counts = [0] * PARTITIONS
    for number in range(known):
        partition = partition_for(recipient_key(ORGID, known_recipient(number)), PARTITIONS)
        rids.append(rid_of(counts[partition], partition))
        counts[partition] += 1
    return rids, tuple(counts)
