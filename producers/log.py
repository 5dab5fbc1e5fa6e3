"""The way into the log: an idempotent producer, served by a thread, replaced when it is dead."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException, Producer

from schemas.topics import MAX_ENTRIES

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from confluent_kafka import KafkaError, Message

    from producers.calls import Reports
    from producers.settings import ClientSettings

log = logging.getLogger("mailing_trigger.client")

BY_KEY = -1  # the partitioner chooses
POLL_S = 0.1
PAUSE_S = 0.01
CLOSE_S = 5.0
# Above what the client lets be in flight, so the queue is full only when something is broken.
QUEUE_EVENTS = 4 * MAX_ENTRIES
QUEUE_KIB = 512 * 1024

Event = dict[str, Any]  # key and value, as the producer takes them


# With these the event certainly did not reach the log.
_NEVER_SENT = frozenset(
    {
        "_QUEUE_FULL",
        "_PURGE_QUEUE",
        "_UNKNOWN_TOPIC",
        "_UNKNOWN_PARTITION",
        "_FATAL",
        "MSG_SIZE_TOO_LARGE",
        "TOPIC_AUTHORIZATION_FAILED",
        "CLUSTER_AUTHORIZATION_FAILED",
    }
)


def never_sent(error: KafkaError) -> bool:
    """Whether an event that failed with *error* is certainly not in the log."""
    return error.name() in _NEVER_SENT


class LogWriter:
    """Produces events; what became of them comes back in the event loop, many at a time."""

    def __init__(
        self,
        settings: ClientSettings,
        *,
        loop: asyncio.AbstractEventLoop,
        on_reports: Callable[[Reports], None],
        producer_of: Callable[..., Producer] = Producer,
    ) -> None:
        self._topic = settings.log_topic
        self._loop = loop
        self._on_reports = on_reports
        self._reports: Reports = []
        # Events whose delivery somebody waits for, and how many they have heard of. The first is
        # changed by the event loop alone, the second by the thread alone.
        self._asked_for = self._told = 0
        self._fatal = threading.Event()
        self._stopping = threading.Event()
        self._producer_of = producer_of
        self._config = {
            **settings.librdkafka(),
            "enable.idempotence": True,
            "acks": "all",
            # As Java's default: a Java producer meets the same partition.
            "partitioner": "murmur2_random",
            # 1 ms costs a lone call 2-3 ms and saves nothing: many at once fill batches anyway.
            "linger.ms": 0,
            "retry.backoff.ms": 20,
            "queue.buffering.max.messages": QUEUE_EVENTS,
            "queue.buffering.max.kbytes": QUEUE_KIB,
            # The caller still has time to hear of it.
            "message.timeout.ms": int(settings.ack_timeout_s * 800),
            "error_cb": self._on_error,
        }
        self._producer = self._build()
        self._dead: list[Producer] = []
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def list_topics(self, timeout_s: float) -> Any:
        """Return the cluster's metadata; blocks."""
        return self._producer.list_topics(timeout=timeout_s)

    def produce(
        self, events: list[Event], *, partition: int = BY_KEY, report: bool = False
    ) -> Reports:
        """Hand *events* over without blocking and return those that were not taken.

        Failures are reported later; successes too when *report* is set. The partition is that of
        all: a batch ignores one inside an event (tried, confluent-kafka 2.16). An event of a batch
        of 500 takes 1.5-2.5 us, a `produce` 5 us.
        """
        if self._fatal.is_set():
            self._rebuild()
        if report:
            self._asked_for += len(events)
            on_delivery = self._note_all
        else:
            on_delivery = self._note_failure
        taken = self._producer.produce_batch(
            self._topic, events, partition=partition, on_delivery=on_delivery
        )
        if taken == len(events):
            return []
        if report:
            self._asked_for -= len(events) - taken
        return [(event["value"], event["_error"]) for event in events if "_error" in event]

    def close(self) -> None:
        """Give what is queued a last chance, then stop; blocks."""
        self._producer.flush(CLOSE_S)
        self._stopping.set()
        self._thread.join()

    def _build(self) -> Producer:
        return self._producer_of(self._config, logger=log)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._fatal.set()

    def _rebuild(self) -> None:
        # An idempotent producer whose sequence is broken refuses everything for ever.
        log.warning("the producer has failed for good and is replaced")
        self._fatal.clear()
        dead, self._producer = self._producer, self._build()
        self._dead.append(dead)
        dead.purge()

    def _run(self) -> None:
        while not self._stopping.is_set():
            awaited = self._asked_for > self._told
            if not awaited:
                # Nobody waits for reports but to hear of failures. Each wake-up takes the
                # interpreter from the event loop, so many reports share one.
                self._stopping.wait(PAUSE_S)
            try:
                self._producer.poll(POLL_S if awaited else 0)
                for dead in [*self._dead]:
                    dead.poll(0)
                    if not len(dead):
                        self._dead.remove(dead)
            except KafkaException as exc:
                log.warning("serving the producer failed: %s", exc.args[0].name())
            if self._reports:
                reports, self._reports = self._reports, []
                self._loop.call_soon_threadsafe(self._on_reports, reports)

    def _note_failure(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._reports.append((message.value(), error))

    def _note_all(self, error: KafkaError | None, message: Message) -> None:
        self._told += 1
        self._reports.append((message.value(), error))
