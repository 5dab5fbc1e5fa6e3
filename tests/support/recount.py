"""Counting again what a test left in the topics, and comparing it with what callers were told."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from streams.verify import reading
from streams.verify.identities import same_person
from streams.verify.mailing import COUNTERS
from streams.verify.reading import ACKS, DEAD_LETTERS, LOG, SENDS, STATE, Raw, Topics
from streams.verify.records import Records
from streams.verify.recount import compare
from tests.support.wait import eventually
from tests.support.worker import ORG

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from confluent_kafka.admin import AdminClient

    from producers.control import MailingView
    from tests.support.load import Load
    from tests.support.worker import Cluster

READ_WITHIN_S = 30.0
# Whoever reads thousands of records at a time waits for so many: these topics have few.
reading._POLL_S = 0.02
_TOPICS = (LOG, ACKS, SENDS, DEAD_LETTERS, STATE)


def read_all(cluster: Cluster, name: str) -> list[Raw]:
    """Return every committed record of a topic, in the order of each partition."""
    return list(Topics(cluster.bootstrap_servers, cluster.prefix).read(name))


def _ends(
    admin: AdminClient, places: Collection[TopicPartition], level: IsolationLevel
) -> dict[tuple[str, int], int]:
    asked = {place: OffsetSpec.latest() for place in places}
    listed = admin.list_offsets(asked, isolation_level=level)
    return {(place.topic, place.partition): end.result().offset for place, end in listed.items()}


def _nothing(_: int) -> str | None:
    return None


@dataclass
class Recount:
    """The recount of *cluster* when its worker has come to rest, and what is read beside it.

    *poison* are the (partition, offset) that became dead letters for reasons outside the log;
    *registered* gives the schema text of a registry's id.
    """

    cluster: Cluster
    poison: Collection[tuple[int, int]] = ()
    registered: Callable[[int], str | None] = _nothing

    def __post_init__(self) -> None:
        eventually(self._quiet)
        topics = Topics(self.cluster.bootstrap_servers, self.cluster.prefix)
        self._records = Records(self.registered)
        self.report = compare(topics, self._records)
        self.sends = [self._records.read(raw.value)[1] for raw in topics.read(SENDS)]
        self.dead_letters = list(topics.read(DEAD_LETTERS))
        self._state = list(topics.read(STATE))

    def verify(self, *loads: Load, views: Iterable[MailingView] = ()) -> Recount:
        """Fail unless every promise was kept; mailings must have nothing pending."""
        assert [breach.line() for breach in self.report.breaches] == []
        assert self.report.limits == []
        assert {place[:2] for place in self.report.laid_aside} == set(self.poison)
        assert self.report.counts["events_not_yet"] == 0
        self._verify_sequence()
        self._verify_identities(loads)
        for load in loads:
            self._verify_load(load)
        for view in views:
            self._verify_counters(view)
        return self

    def _quiet(self) -> bool:
        # A partition may be between two leaders, where brokers have died.
        with suppress(KafkaException):
            return self._at_rest()
        return False

    def _at_rest(self) -> bool:
        """Whether the log is read to its end and no transaction is open any more."""
        admin = self.cluster.admin()
        names = [self.cluster.topic(name) for name in _TOPICS]
        described = admin.list_topics(timeout=READ_WITHIN_S).topics
        places = [TopicPartition(name, p) for name in names for p in described[name].partitions]
        written = _ends(admin, places, IsolationLevel.READ_UNCOMMITTED)
        if written != _ends(admin, places, IsolationLevel.READ_COMMITTED):
            return False
        log = [place for place in places if place.topic == names[0]]
        read = {place.partition: place.offset for place in self.cluster.committed(log)}
        ends = {place.partition: written[names[0], place.partition] for place in log}
        return all(read[partition] == end or not end for partition, end in ends.items())

    def _verify_sequence(self) -> None:
        """Every transaction of a partition is there, once: nothing was compacted yet."""
        sequences = defaultdict(list)
        for raw in self._state:
            if raw.key == b"meta":
                sequences[raw.partition].append(self._records.read(raw.value)[1]["seq"])
        for sequence in sequences.values():
            assert sequence == list(range(1, len(sequence) + 1))

    def _verify_identities(self, loads: Iterable[Load]) -> None:
        ids, addresses = defaultdict(set), defaultdict(set)
        told = [(ORG, answered.email, answered.rid) for load in loads for answered in load.answered]
        told += [(send["orgid"], send["email"], send["rid"]) for send in self.sends]
        for org, email, rid in told:
            ids[org, same_person(email)].add(rid)
            addresses[rid].add((org, same_person(email)))
        assert [who for who, rids in ids.items() if len(rids) > 1] == [], "one address, two IDs"
        assert [rid for rid, who in addresses.items() if len(who) > 1] == [], (
            "one ID, two addresses"
        )

    def _verify_load(self, load: Load) -> None:
        assert load.answered, "a load nobody answered proves nothing"
        sent = Counter((send["mid"], send["rid"], send["context"]) for send in self.sends)
        for _, context, rid in load.answered:
            message = (load.mid, rid, json.dumps(context).encode())
            assert sent[message] >= 1, f"answered, but never sent: {message}"
            assert sent[message] == 1, f"sent twice: {message}"

    def _verify_counters(self, view: MailingView) -> None:
        """The changelog's counters are the model's; a caller has to be told the same."""
        mine = {}
        for raw in self._state:
            if raw.key == f"m:{view.orgid}:{view.mid}".encode():
                mine[raw.partition] = self._records.read(raw.value)[1]
        for counter in COUNTERS:
            assert getattr(view, counter) == sum(m[counter] for m in mine.values()), counter
