"""Writing effects to Kafka: replies as soon as they are known, everything else in transactions."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, Producer

from schemas.codec import Codec
from schemas.records import DEAD_LETTER
from streams.core.transition import encode_acks
from streams.worker.kafka import TRANSACTION_TIMEOUT_S, effects_producer, replies_producer
from streams.worker.retry import pauses

if TYPE_CHECKING:
    from collections.abc import Callable

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


class Replier:
    """Produces replies without a transaction: they follow from the log, which is durable."""

    def __init__(self, settings: WorkerSettings, framing: Framing) -> None:
        self._settings = settings
        self._framing = framing
        self._producer = replies_producer(settings)

    def send(self, replies: Replies, receipt: Receipt) -> None:
        """Produce acks, answers and copies; *receipt* completes when all are delivered."""
        acks, log_topic = self._settings.acks, self._settings.log
        records: list[tuple[str, int, bytes | None, bytes]] = [
            (acks, partition, None, value)
            for partition, value in encode_acks(replies, self._framing)
        ]
        records += [(acks, partition, None, value) for partition, value in replies.answers]
        records += [(log_topic, partition, key, value) for partition, key, value in replies.copies]
        # An idempotent producer keeps the order of a partition and never gives up on one record
        # alone, so the delivery of a partition's last record proves those before it.
        last = {(topic, partition): at for at, (topic, partition, _, _) in enumerate(records)}
        for at, (topic, partition, key, value) in enumerate(records):
            report: dict[str, Any] = {}
            if last[topic, partition] == at:
                receipt.expect()
                report["on_delivery"] = receipt.on_delivery
            produce(self._producer, topic, value, key, partition=partition, **report)
        self._producer.poll(0)

    def send_event(self, key: bytes, value: bytes, partition: int) -> None:
        """Append an event of our own to the log; a repeat of it does nothing."""
        produce(self._producer, self._settings.log, value, key, partition=partition)
        self._producer.poll(0)

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
        old.purge()


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
                self._replier.renew()
                return self._abort(producer, error)
            # 4. A partition that was rewound or given up meanwhile is not ours to commit.
            if not still_ours():
                return self._abort(producer, None)
            _commit(producer, deadline)
        except KafkaException as exc:
            return self._failed(producer, exc.args[0])
        return Shipped(Outcome.COMMITTED)

    def _produce_effects(self, producer: Producer, transaction: Transaction) -> None:
        state, sends = self._settings.state, self._settings.sends
        for partition, part in transaction.parts.items():
            for key, value in part.effects.sends:
                produce(producer, sends, value, key, partition=partition)
            for letter in part.effects.dead_letters:
                self._produce_dead_letter(producer, partition, letter)
            for key, deletion_or_value in part.effects.state:
                produce(producer, state, deletion_or_value, key, partition=partition)

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
                raise KafkaException(
                    KafkaError(KafkaError._TIMED_OUT, "the producer's queue stayed full")  # noqa: SLF001
                ) from None
            producer.poll(_POLL_S)
        else:
            return


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
