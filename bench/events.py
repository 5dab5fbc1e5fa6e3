"""A backlog of RecipientTriggered events as callers make them, the same for every contestant."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import Producer

from producers.contract.entries import KnownEntry, OnTheFlyEntry
from producers.events import EventWriter
from schemas.codec import Codec
from schemas.ids import mailing_key, partition_of_rid, recipient_key, rid_key, rid_of
from schemas.partition import partition_for
from schemas.records import API_TRIGGERED, MAILING_DEFINED, DedupPolicy, Origin
from schemas.topics import ACK_PARTITIONS

if TYPE_CHECKING:
    from producers.contract.entries import Entry

ORGID = 2
MID = 1
PARTITIONS = 4

# Of 100 events: 60 create a recipient, 30 are for a known one, 5 repeat a pending message, and 5
# name a known recipient by rid.
_NEW, _KNOWN, _DUPLICATE = 60, 90, 95
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
_BATCH = 5_000
_FLUSH_S = 60.0

Event = dict[str, Any]
"""`key` and `value`, as `Producer.produce_batch` takes them."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Events by partition, in order; the first of each partition defines the mailing."""

    partitions: tuple[list[Event], ...]

    @property
    def triggers(self) -> int:
        """How many recipients are triggered."""
        return sum(len(events) - 1 for events in self.partitions)

    @property
    def value_bytes(self) -> int:
        """Size of all events."""
        return sum(len(event["value"]) for events in self.partitions for event in events)


def make_backlog(triggers: int, *, seed: int) -> Backlog:
    """Return *triggers* events, each a call of its own: nothing is answered together."""
    return Backlog(_Maker(random.Random(seed)).make(triggers))


def produce_backlog(bootstrap_servers: str, topic: str, backlog: Backlog) -> None:
    """Append the backlog to an empty topic, as fast as it goes."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "log_level": 0,
            "enable.idempotence": True,
            "linger.ms": 5,
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 1_000_000,
        }
    )
    longest = max(map(len, backlog.partitions))
    for start in range(0, longest, _BATCH):
        for partition, events in enumerate(backlog.partitions):
            batch = events[start : start + _BATCH]
            taken = producer.produce_batch(topic, batch, partition=partition) if batch else 0
            assert taken == len(batch), "the producer's queue is smaller than the backlog"
    left = producer.flush(_FLUSH_S)
    assert not left, f"{left} events were not delivered within {_FLUSH_S:.0f} s"


class _Maker:
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._codec = Codec()
        self._partitions: tuple[list[Event], ...] = tuple([] for _ in range(PARTITIONS))
        self._known: list[tuple[str, int]] = []
        self._pending: list[tuple[str, bytes]] = []
        self._profiles = [self._profile() for _ in range(_PROFILES)]

    def make(self, triggers: int) -> tuple[list[Event], ...]:
        key = mailing_key(ORGID, MID)
        home = partition_for(key, PARTITIONS)
        for partition, events in enumerate(self._partitions):
            # As a log looks after a definition: the request at home, its copies elsewhere.
            value = self._definition() if partition == home else self._definition(copy=True)
            events.append({"key": key, "value": value})
        for _ in range(triggers):
            self._add(self._rng.randrange(100) if self._known else 0)
        return self._partitions

    def _add(self, kind: int) -> None:
        rng = self._rng
        context = self._context()
        if kind < _NEW:
            email = f"recipient.{len(self._known)}@example{rng.randrange(1000)}.com"
            rid = self._by_address(email, context)
            self._known.append((email, rid))
            self._pending.append((email, context))
        elif kind < _KNOWN:
            email, _ = rng.choice(self._known)
            self._by_address(email, context)
        elif kind < _DUPLICATE:
            self._by_address(*rng.choice(self._pending))
        else:
            _, rid = rng.choice(self._known)
            entry = KnownEntry(0, rid, None, context, {})
            self._append(partition_of_rid(rid), rid_key(ORGID, rid), entry)

    def _by_address(self, email: str, context: bytes) -> int:
        key = recipient_key(ORGID, email)
        partition = partition_for(key, PARTITIONS)
        rid = rid_of(len(self._partitions[partition]), partition)
        profile = self._rng.choice(self._profiles)
        self._append(partition, key, OnTheFlyEntry(0, email, None, context, profile))
        return rid

    def _append(self, partition: int, key: bytes, entry: Entry) -> None:
        rng = self._rng
        writer = EventWriter(
            self._codec,
            orgid=ORGID,
            mid=MID,
            request_id=f"{rng.getrandbits(128):032x}",
            reply_partition=rng.randrange(ACK_PARTITIONS),
        )
        self._partitions[partition].append({"key": key, "value": writer.encode(entry)})

    def _context(self) -> bytes:
        rng = self._rng
        length = rng.randint(*_CONTEXT_BYTES)
        start = b'{"order":"%016x","total":1.10,"text":"' % rng.getrandbits(64)
        return start + b"x" * (length - len(start) - 2) + b'"}'

    def _profile(self) -> dict[str, object]:
        names = self._rng.sample(list(_PROFILE), self._rng.randint(*_PROFILE_FIELDS))
        return {name: self._rng.choice(_PROFILE[name]) for name in names}

    def _definition(self, *, copy: bool = False) -> bytes:
        fields = {
            "orgid": ORGID,
            "mid": MID,
            "request_id": "definition",
            "index": 0,
            "reply_partition": -1,
            "origin": Origin.COPY if copy else Origin.REQUEST,
            "revision": int(copy),
            "name": "Benchmark",
            "type": API_TRIGGERED,
            "dedup": DedupPolicy.RECIPIENT_CONTEXT,
            # Without an interval no timer joins the run.
            "interval_s": 0,
        }
        return self._codec.encode(MAILING_DEFINED, fields)
