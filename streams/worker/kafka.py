"""librdkafka's settings for each of the worker's clients, with the reason for each number."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from confluent_kafka import OFFSET_END, Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.topics import EFFECT_MESSAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.worker.settings import WorkerSettings

log = logging.getLogger("mailing_trigger.worker.kafka")

Config = dict[str, Any]

# A transaction whose owner died holds back every reader for this long, unless its successor
# fences it, which it does; a live one commits in milliseconds, on a broker in trouble in seconds.
TRANSACTION_TIMEOUT_S = 30.0
# A member hears of a rebalance by its next heartbeat, and a cooperative one takes two: at a third
# of the session, as is usual, a worker that stops in good order left its partitions alone for 4 s.
_HEARTBEAT_MS = 500
_LAST_S = 1.0
# A question that runs out of its time costs the connection, and what is on its way there.
_ASK_S = 5.0


def _base(settings: WorkerSettings, role: str) -> Config:
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "client.id": f"{settings.group_id}-{role}",
        # A broker that restarts is asked again soon, not after the default 10 s.
        "reconnect.backoff.max.ms": 1000,
        "logger": log,
        **settings.security,
    }


def source_consumer(settings: WorkerSettings) -> Consumer:
    """Return the consumer of the log, a member of the worker group."""
    session_ms = int(settings.session_timeout_s * 1000)
    return Consumer(
        _base(settings, "source")
        | {
            "group.id": settings.group_id,
            "partition.assignment.strategy": "cooperative-sticky",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            # An offset the log no longer has must stop us: never skip silently.
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "session.timeout.ms": session_ms,
            "heartbeat.interval.ms": min(_HEARTBEAT_MS, session_ms // 3),
            # The default second makes the client stop fetching whenever its queue was full.
            "fetch.queue.backoff.ms": 5,
            "queued.min.messages": 200_000,
            "queued.max.messages.kbytes": 65_536,
        }
    )


def state_consumer(settings: WorkerSettings) -> Consumer:
    """Return a consumer that reads the changelog by assignment; its group never commits."""
    return Consumer(
        _base(settings, "restore")
        | {
            "group.id": f"{settings.group_id}-restore",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            # The end shows in a fetch's answer, which an idle broker holds back this long.
            "fetch.wait.max.ms": 10,
            "fetch.queue.backoff.ms": 5,
            "queued.min.messages": 200_000,
        }
    )


def offsets_consumer(settings: WorkerSettings, *, stable: bool) -> Consumer:
    """Return a consumer that is asked for the group's offsets, and never joins it.

    *stable* waits for an open transaction that is about to commit others. Not the administration
    client: librdkafka 2.16's, asked so, ends the process when its broker coordinates the group no
    more (confluentinc/librdkafka#5040).
    """
    return Consumer(
        _base(settings, "offsets")
        | {
            "group.id": settings.group_id,
            "isolation.level": "read_committed" if stable else "read_uncommitted",
            "enable.auto.commit": False,
        }
    )


def ends_of(consumer: Consumer, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    """Return up to where *consumer* may read; KafkaException when not all is answered. Blocks."""
    places = [TopicPartition(topic, partition, OFFSET_END) for partition in partitions]
    # One request a broker: watermarks are asked for one by one, each behind a fetch that waits.
    found = consumer.offsets_for_times(places, timeout=_ASK_S)
    for place in found:
        if place.error is not None:
            raise KafkaException(place.error)
    return {place.partition: int(place.offset) for place in found}


def effects_producer(settings: WorkerSettings, transactional_id: str) -> Producer:
    """Return the producer of state, sends and dead letters."""
    return Producer(
        _base(settings, "effects")
        | {
            "transactional.id": transactional_id,
            "transaction.timeout.ms": int(TRANSACTION_TIMEOUT_S * 1000),
            "linger.ms": 5,
            "compression.type": "lz4",
            "message.max.bytes": EFFECT_MESSAGE_BYTES,
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 262_144,
            # The default 100 ms is the length of several transactions.
            "retry.backoff.ms": 5,
            # By default librdkafka 2.16 forgets its brokers when every connection is lost, and asks
            # the bootstrap servers anew; but it looks for the group's coordinator where it was, and
            # `send_offsets_to_transaction` waits for ever (confluentinc/librdkafka#5511, #5456). A
            # producer that finds no broker at all is replaced, and so begins anew as well.
            "metadata.recovery.strategy": "none",
            # A lost connection is there again within a transaction.
            "reconnect.backoff.max.ms": 200,
        }
    )


def replies_producer(settings: WorkerSettings) -> Producer:
    """Return the producer of acknowledgements, answers, copies and timers' invocations."""
    return Producer(
        _base(settings, "replies")
        | {
            "enable.idempotence": True,
            "linger.ms": 0,
            "compression.type": "lz4",
            "message.max.bytes": EFFECT_MESSAGE_BYTES,
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 262_144,
            # Never give one record up while later ones go out: copies must keep their order. The
            # transaction that waits for them has the deadline, and drops the producer as a whole.
            "message.timeout.ms": 0,
            "retry.backoff.ms": 5,
        }
    )


def forget(producer: Producer) -> None:
    """Give up what *producer* has not delivered; nobody waits for it, nor for its end."""
    producer.purge(blocking=False)

    def end() -> None:
        producer.flush(_LAST_S)

    # Whose reference is the last: a client waits for the library's threads when it goes.
    threading.Thread(target=end, name="forget", daemon=True).start()


def fencing_producer(settings: WorkerSettings, transactional_id: str) -> Producer:
    """Return a producer whose `init_transactions` ends a dead owner's open transaction."""
    return Producer(
        _base(settings, "fence")
        | {"transactional.id": transactional_id, "transaction.timeout.ms": 10_000}
    )


def admin_client(settings: WorkerSettings) -> AdminClient:
    """Return an administration client."""
    return AdminClient(_base(settings, "admin"))
