"""Workers with one bug each, for the judge to find; more are in `mutants_events`."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, TopicPartition

from streams.core import transition, trigger
from streams.core.changelog import META_KEY
from streams.core.partition import PartitionState
from streams.core.restore import _decode
from streams.core.transition import Fold
from streams.worker import kafka, shipping, source, takeover
from streams.worker.shipping import Shipper
from streams.worker.source import Fetch, Source
from streams.worker.stamp import Stamp
from streams.worker.takeover import Takeover
from tests.history import mutants_events
from tests.history.mutant import known_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.history.mutant import Mutant


MUTANTS: dict[str, Mutant] = {}
_mutant = known_to(MUTANTS)


@_mutant("every tenth transaction is given up, and its answered events are not folded again")
def _answers_what_is_never_kept() -> None:
    ship, rollback, numbers = Shipper.ship, PartitionState.rollback, count(1)

    def shipping_most(self: Any, transaction: Any, *, still_ours: Any) -> Any:
        refused = next(numbers) % 10 == 0
        return ship(self, transaction, still_ours=(lambda: False) if refused else still_ours)

    def forgetting(self: Any, dedup_keys: Any) -> None:
        last = self.applied
        rollback(self, dedup_keys)
        self.applied = last

    Shipper.ship = shipping_most  # type: ignore[method-assign]
    PartitionState.rollback = forgetting  # type: ignore[method-assign]


@_mutant("the effects of every tenth transaction are lost, its offsets are not")
def _commits_offsets_alone() -> None:
    ship, numbers = Shipper.ship, count(1)

    def shipping_most(self: Any, transaction: Any, **more: Any) -> Any:
        if next(numbers) % 10 == 0:
            for part in transaction.parts.values():
                part.effects.state, part.effects.sends = [], []
        return ship(self, transaction, **more)

    Shipper.ship = shipping_most  # type: ignore[method-assign]


@_mutant("offsets are committed when events are received, and believed", "kill all workers")
def _commits_on_receive() -> None:
    put, fetch, run = Source._put, Source._fetch, Takeover.run

    def noting(self: Any, take: Any, size: int = 0) -> None:
        if isinstance(take, Fetch):
            self.received = {chunk.partition: chunk.records[-1][0] for chunk in take.chunks}
        put(self, take, size)

    def committing(self: Any, consumer: Any) -> None:
        self.received = {}
        fetch(self, consumer)
        note = Stamp(0, self._transactional_id, self.member_id).encode()
        places = [
            TopicPartition(self._settings.log, partition, offset + 1, note)
            for partition, offset in self.received.items()
        ]
        if places:
            consumer.commit(offsets=places, asynchronous=True)

    def believing(self: Any, partition: int, still_ours: Any) -> Any:
        state = run(self, partition, still_ours)
        offset = self._committed(partition, stable=False).offset
        state.applied = max(state.applied, offset - 1)
        return state

    Source._put = noting  # type: ignore[method-assign]
    Source._fetch = committing  # type: ignore[method-assign]
    Takeover.run = believing  # type: ignore[method-assign]
    Takeover._check_offset = lambda *_: None  # type: ignore[method-assign]


@_mutant("two equal messages in one chunk are both taken")
def _no_dedup_in_a_chunk() -> None:
    keep, apply = trigger._keep, Fold.apply
    later: list[tuple[Any, Any]] = []

    def keeping(state: Any, mailing: Any, event: Any, at: Any, same: Any, *more: Any) -> None:
        keep(state, mailing, event, at, None, *more)
        if same is not None:
            later.append((mailing.queue_id, same))

    def applying(self: Any, *what: Any) -> None:
        apply(self, *what)
        for queue_id, same in later:
            if queue_id in self.state.queues:
                self.state.queues[queue_id].seen.add(same)
        later.clear()

    trigger._keep = keeping
    Fold.apply = applying  # type: ignore[method-assign]


def _with_keys(key_of: Callable[[Any, bytes], bytes]) -> None:
    """Let recipients be known by another key, and be at home everywhere."""
    by_address = trigger._trigger_by_address

    class Home:
        def __ne__(self, _: object) -> bool:
            return False

        __hash__ = None  # type: ignore[assignment]

    def triggering(
        state: Any, mailing: Any, event: Any, at: tuple[int, int], key: bytes, effects: Any
    ) -> Any:
        return by_address(state, mailing, event, at, key_of(event, key), effects)

    trigger._trigger_by_address = triggering
    trigger.partition_for = lambda *_: Home()  # type: ignore[assignment,return-value]


@_mutant("two spellings of the part before the @ are two people")
def _folds_the_domain_alone() -> None:
    def by_domain(event: Any, key: bytes) -> bytes:
        local = event.head.email.strip().rpartition("@")[0].encode()
        return key.partition(b":")[0] + b":" + local + b"@" + key.rpartition(b"@")[2]

    _with_keys(by_domain)


@_mutant("an address is one recipient in all organisations")
def _leaves_the_org_out() -> None:
    _with_keys(lambda _, key: b"2:" + key.partition(b":")[2])


class _Shifted:
    """A consumer that begins to read a partition some events later than it is told."""

    def __init__(self, consumer: Any, shift: int) -> None:
        self._consumer, self._shift = consumer, shift

    def incremental_assign(self, places: list[TopicPartition]) -> None:
        for place in places:
            place.offset = max(place.offset + self._shift, 0)
        self._consumer.incremental_assign(places)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)


def _begin_shifted(shift: int) -> None:
    begin = Source._begin_delivery

    def beginning(self: Any, consumer: Any, *what: Any) -> None:
        begin(self, _Shifted(consumer, shift), *what)  # type: ignore[arg-type]

    Source._begin_delivery = beginning  # type: ignore[method-assign]


@_mutant("a takeover folds the last event once more", "kill worker")
def _replays_one_too_many() -> None:
    apply = Fold.apply

    def applying(self: Any, records: Any, *what: Any) -> None:
        if records[0][0] == self.state.applied:
            self.state.applied -= 1
        apply(self, records, *what)

    _begin_shifted(-1)
    Fold.apply = applying  # type: ignore[method-assign]


@_mutant("a takeover begins one event too late", "kill worker")
def _replays_one_too_few() -> None:
    _begin_shifted(1)


@_mutant("one send in a thousand is not written")
def _drops_a_send_in_a_thousand() -> None:
    produce_all, numbers = shipping.produce_all, count(1)

    def producing(producer: Any, topic: str, partition: int, records: Any, *more: Any) -> None:
        if topic.endswith("mailing.sends"):
            records = [record for record in records if next(numbers) % 1000]
        produce_all(producer, topic, partition, records, *more)

    shipping.produce_all = producing


@_mutant("IDs are counted, not made of the event's place", "kill worker")
def _counts_ids() -> None:
    numbers = count(1)
    trigger.rid_of = lambda _offset, partition: next(numbers) * 1024 + partition


@_mutant(
    "a restore takes what lies last in the changelog, committed or not",
    "kill between produce and commit",
    "zombie with an open transaction",
)
def _restores_what_was_aborted() -> None:
    consumer_of = takeover.state_consumer

    def uncommitted(settings: Any) -> Consumer:
        kafka.Consumer = lambda config: Consumer(  # type: ignore[assignment,misc]
            config | {"isolation.level": "read_uncommitted"}
        )
        try:
            return consumer_of(settings)
        finally:
            kafka.Consumer = Consumer  # type: ignore[misc]

    takeover.state_consumer = uncommitted


@_mutant("now and then two IDs of one call change places")
def _swaps_two_ids() -> None:
    acknowledge, apply, numbers = transition.acknowledge, Fold.apply, count(1)
    held: list[tuple[Any, ...]] = []

    def swapping(effects: Any, event: Any, outcome: Any, rid: bytes = trigger.NO_RID) -> None:
        if held:
            first = held.pop()
            if first[0] is effects and first[1].head.request == event.head.request:
                acknowledge(*first[:3], rid)
                rid = first[3]
            else:
                acknowledge(*first)
        elif next(numbers) % 50 == 0:
            held.append((effects, event, outcome, rid))
            return
        acknowledge(effects, event, outcome, rid)

    def applying(self: Any, *what: Any) -> None:
        apply(self, *what)
        if held:
            acknowledge(*held.pop())

    transition.acknowledge = swapping
    Fold.apply = applying  # type: ignore[method-assign]


@_mutant(
    "a transaction goes out under the membership of its commit, not of its fetch",
    "zombie with an open transaction",
    "rebalance storm",
    "pause worker",
)
def _takes_the_membership_when_shipping() -> None:
    consumer_of, ship = source.source_consumer, Shipper.ship
    consumers: list[Any] = []

    def noting(settings: Any) -> Consumer:
        consumers[:] = [consumer_of(settings)]
        return consumers[0]

    def shipping_anew(self: Any, transaction: Any, **_: Any) -> Any:
        transaction.group_metadata = consumers[0].consumer_group_metadata()
        # Nothing else looks at whose the partition is, either.
        return ship(self, transaction, still_ours=lambda: True)

    source.source_consumer = noting
    Shipper.ship = shipping_anew  # type: ignore[method-assign]


@_mutant(
    "a restore ends where `applied` is the offset, whatever `seq` says",
    "kill between two slices of an invocation",
)
def _restores_to_applied() -> None:
    committed_of, read = Takeover._stable_offset, takeover.read_changelog
    wanted_of: dict[int, int] = {}

    def noting(self: Any, partition: int, still_ours: Any) -> Any:
        committed = committed_of(self, partition, still_ours)
        wanted_of[partition] = committed.offset - 1
        return committed

    def reading(consumer: Any, place: Any, restore: Any, wanted: int, still_ours: Any) -> int:
        target = wanted_of[place.partition]
        if target < 0:
            return read(consumer, place, restore, wanted, still_ours)
        consumer.assign([TopicPartition(place.topic, place.partition, 0)])
        taken = 0
        while True:
            message = consumer.poll(0.1)
            if message is None or message.error() is not None:
                continue
            taken += 1
            restore.take([(message.key(), message.value())])
            if message.key() == META_KEY and _decode(restore.meta)["applied"] >= target:
                restore.finish(message.offset())
                return taken

    Takeover._stable_offset = noting  # type: ignore[method-assign]
    takeover.read_changelog = reading


MUTANTS |= mutants_events.MUTANTS
