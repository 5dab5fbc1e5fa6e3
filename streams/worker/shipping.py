"""Writing effects to Kafka: replies as soon as they are known, everything else in transactions."""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, Producer

from schemas.codec import Codec
from schemas.records import DEAD_LETTER
from streams.core.transition import encode_acks
from streams.store.errors import StoreClosed, StoreUnfit
from streams.worker.kafka import (
    TRANSACTION_TIMEOUT_S,
    effects_producer,
    forget,
    replies_producer,
)
from streams.worker.retry import pauses

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from schemas.framing import Framing
    from streams.core.effects import DeadLetter, Replies
    from streams.worker.settings import WorkerSettings
    from streams.worker.transaction import Receipt, Transaction

log = logging.getLogger("mailing_trigger.worker.shipping")

# The broker aborts at the transaction's timeout; half of it leaves time to abort in good order.
_SHIP_S = TRANSACTION_TIMEOUT_S / 2
_RENEW_S = 120.0
_POLL_S = 0.01


class Outcome(Enum):
    """How a transaction ended."""

    COMMITTED = auto()
    ABORTED = auto()
    # Nobody knows: the producer is spent, and the partitions' state has to be read anew.
    BROKEN = auto()


@dataclass(frozen=True, slots=True)
class Shipped:
    """The end of a transaction; *error* is why it was not committed."""

    outcome: Outcome
    error: KafkaError | None = None
    replies_failed: bool = False


class Replier:
    """Produces replies without a transaction: they follow from the log, which is durable."""

    def __init__(self, settings: WorkerSettings, framing: Framing) -> None:
        self._settings = settings
        self._framing = framing
        self._producer = replies_producer(settings)
        # When events of our own were handed over that the log has not yet.
        self._underway: deque[float] = deque()

    def send(self, replies: Replies, receipt: Receipt) -> None:
        """Produce acks, answers and copies; *receipt* completes when all are delivered."""
        batches: dict[tuple[str, int], list[tuple[bytes | None, bytes]]] = {}
        acks, log_topic = self._settings.acks, self._settings.log
        for partition, value in (*encode_acks(replies, self._framing), *replies.answers):
            batches.setdefault((acks, partition), []).append((None, value))
        for partition, key, value in replies.copies:
            batches.setdefault((log_topic, partition), []).append((key, value))
        # An idempotent producer keeps the order of a partition and never gives up on one record
        # alone, so the delivery of a partition's last record proves those before it.
        for (topic, partition), records in batches.items():
            receipt.expect()
            produce_all(self._producer, topic, partition, records, receipt.on_delivery)
        self._producer.poll(0)

    def send_event(self, key: bytes, value: bytes, partition: int) -> None:
        """Append an event of our own to the log; a repeat of it does nothing."""
        underway = self._underway
        underway.append(time.monotonic())
        # In the order of their partitions, so the oldest is about the first.
        produce(
            self._producer,
            self._settings.log,
            value,
            key,
            partition=partition,
            on_delivery=lambda *_: underway.popleft(),
        )
        self._producer.poll(0)

    def is_late(self) -> bool:
        """Whether an event of our own is not in the log long after it was handed over.

        Hears what was delivered first. Nobody waits for such an event, and the producer may have
        lost its brokers for good (confluentinc/librdkafka#5301).
        """
        self._producer.poll(0)
        return bool(self._underway) and time.monotonic() - self._underway[0] > _SHIP_S

    def wait(self, receipt: Receipt, deadline: float) -> KafkaError | None:
        """Wait until the replies of *receipt* are delivered; return why they were not."""
        while not receipt.complete:
            if time.monotonic() > deadline:
                return KafkaError(KafkaError._TIMED_OUT, "replies were not delivered in time")  # noqa: SLF001
            self._producer.poll(_POLL_S)
        return receipt.error

    def renew(self) -> None:
        """Forget everything not delivered yet; what it answered will be folded again."""
        old, self._producer = self._producer, replies_producer(self._settings)
        self._underway = deque()
        forget(old)


class Shipper:
    """Writes transactions, one at a time, on the thread that calls it."""

    def __init__(
        self, settings: WorkerSettings, framing: Framing, replier: Replier, transactional_id: str
    ) -> None:
        self._settings = settings
        self._transactional_id = transactional_id
        self._codec = Codec(framing)
        self._replier = replier
        self._producer: Producer | None = None

    def renew(self) -> None:
        """Begin with a new producer: ends whatever the old one left open. Waits for the broker."""
        tries = pauses(_RENEW_S)
        while True:
            self._producer = None
            producer = effects_producer(self._settings, self._transactional_id)
            try:
                producer.init_transactions(TRANSACTION_TIMEOUT_S)
            except KafkaException as exc:
                pause = next(tries, None)
                if pause is None:
                    raise
                log.warning("no transactions yet: %s", exc.args[0].str())
                time.sleep(pause)
            else:
                self._producer = producer
                return

    def ship(self, transaction: Transaction, *, still_ours: Callable[[], bool]) -> Shipped:
        """Write everything of *transaction*, or nothing."""
        producer = self._producer
        if producer is None:
            return Shipped(Outcome.BROKEN)
        deadline = time.monotonic() + _SHIP_S
        try:
            # 1. Effects, the state's `seq` last; 2. the offsets they belong to.
            producer.begin_transaction()
            self._produce_effects(producer, transaction)
            producer.send_offsets_to_transaction(
                transaction.offsets, transaction.group_metadata, _left(deadline)
            )
            # 3. The replies of these effects are out: nobody is told later than others are.
            error = self._replier.wait(transaction.receipt, deadline)
            if error is not None:
                return replace(self._abort(producer, error), replies_failed=True)
            # 4. A partition that was rewound or given up meanwhile is not ours to commit.
            if not still_ours():
                return self._abort(producer, None)
            _commit(producer, deadline)
            producer.poll(0)
        except KafkaException as exc:
            return self._failed(producer, exc.args[0])
        # 5. Only what is in the changelog may be on disk.
        try:
            for part in transaction.parts.values():
                part.keep()
        except (StoreUnfit, StoreClosed) as exc:
            log.warning("committed, but not kept on disk: %s", exc)
            return Shipped(Outcome.BROKEN)
        return Shipped(Outcome.COMMITTED)

    def _produce_effects(self, producer: Producer, transaction: Transaction) -> None:
        state, sends = self._settings.state, self._settings.sends
        for partition, part in transaction.parts.items():
            produce_all(producer, sends, partition, part.effects.sends)
            for letter in part.effects.dead_letters:
                self._produce_dead_letter(producer, partition, letter)
            produce_all(producer, self._settings.statistics, partition, part.effects.statistics)
            records = part.effects.state
            produce_all(producer, state, partition, records, part.on_state_delivered)

    def _produce_dead_letter(self, producer: Producer, partition: int, letter: DeadLetter) -> None:
        place = {"topic": self._settings.log, "partition": partition, "offset": letter.offset}
        value = self._codec.encode(
            DEAD_LETTER,
            place
            | {
                "reason": letter.reason,
                "detail": letter.detail,
                "key": letter.key,
                "value": letter.value,
            },
        )
        headers = [(name, str(about).encode()) for name, about in place.items()]
        headers.append(("reason", letter.reason.encode()))
        topic = self._settings.dead_letters
        produce(producer, topic, value, letter.key, partition=partition, headers=headers)

    def _failed(self, producer: Producer, error: KafkaError) -> Shipped:
        log.warning("transaction not committed: %s", error.str())
        if error.fatal() or error.code() == KafkaError._TIMED_OUT:  # noqa: SLF001
            return self._break(error)
        return self._abort(producer, error)

    def _abort(self, producer: Producer, error: KafkaError | None) -> Shipped:
        try:
            producer.abort_transaction(TRANSACTION_TIMEOUT_S)
        except KafkaException as exc:
            log.warning("transaction not aborted: %s", exc.args[0].str())
            return self._break(exc.args[0])
        return Shipped(Outcome.ABORTED, error)

    def _break(self, error: KafkaError) -> Shipped:
        self._producer = None
        return Shipped(Outcome.BROKEN, error)


def produce(
    producer: Producer, topic: str, value: bytes | None, key: bytes | None, **more: Any
) -> None:
    """Hand a record to *producer*, waiting for room in its queue."""
    deadline = time.monotonic() + _SHIP_S
    while True:
        try:
            producer.produce(topic, value, key, **more)
        except BufferError:
            if time.monotonic() > deadline:
                raise KafkaException(_full()) from None
            producer.poll(_POLL_S)
        else:
            return


def produce_all(
    producer: Producer,
    topic: str,
    partition: int,
    records: Sequence[tuple[bytes | None, bytes | None]],
    on_delivery: Callable[[KafkaError | None, Any], None] | None = None,
) -> None:
    """Hand (key, value) records to *producer*, in order; *on_delivery* hears of the last."""
    # One by one and by place: 1.0 us a record, where `produce_batch` takes 1.7 with its dicts.
    hand_over, last = producer.produce, len(records) - 1
    for index, (key, value) in enumerate(records):
        callback = on_delivery if index == last else None
        try:
            hand_over(topic, value, key, partition, callback)
        except BufferError:
            produce(producer, topic, value, key, partition=partition, on_delivery=callback)


def _full() -> KafkaError:
    return KafkaError(KafkaError._TIMED_OUT, "the producer's queue stayed full")  # noqa: SLF001


def _commit(producer: Producer, deadline: float) -> None:
    for pause in pauses(_left(deadline)):
        try:
            producer.commit_transaction(_left(deadline))
        except KafkaException as exc:
            if not exc.args[0].retriable() or time.monotonic() > deadline:
                raise
            time.sleep(pause)
        else:
            return
    raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the commit was not answered"))  # noqa: SLF001


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.1)
