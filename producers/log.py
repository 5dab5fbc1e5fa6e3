"""The way into the log: an idempotent producer, served by a thread, replaced when it is dead."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, Producer

from schemas.topics import MAX_ENTRIES

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from confluent_kafka import Message

    from producers.calls import Reports
    from producers.settings import ClientSettings

log = logging.getLogger("mailing_trigger.client")

POLL_S = 0.1
PAUSE_S = 0.01
CLOSE_S = 5.0
# Above what the client lets be in flight, so the queue is full only when something is broken.
QUEUE_EVENTS = 4 * MAX_ENTRIES
QUEUE_KIB = 512 * 1024

Event = tuple[bytes | None, bytes]  # key and value


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


def _produce_timeout_s(ack_timeout_s: float) -> float:
    """Return when to give an event up, so that the caller still has time to hear of it.

    The library looks for events whose time is over once a second.
    """
    return max(ack_timeout_s - 1.5, ack_timeout_s / 2)


class LogWriter:
    """Produces events; what became of them comes back in the event loop, many at a time."""

    def __init__(
        self,
        settings: ClientSettings,
        *,
        loop: asyncio.AbstractEventLoop,
        on_reports: Callable[[Reports], None],
        linger_ms: float = 0,
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
            "linger.ms": linger_ms,
            "retry.backoff.ms": 20,
            "queue.buffering.max.messages": QUEUE_EVENTS,
            "queue.buffering.max.kbytes": QUEUE_KIB,
            "message.timeout.ms": int(_produce_timeout_s(settings.ack_timeout_s) * 1000),
            "error_cb": self._on_error,
        }
        self._producer = self._build()
        self._dead: list[Producer] = []
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def list_topics(self, timeout_s: float) -> Any:
        """Return the cluster's metadata; blocks."""
        return self._producer.list_topics(timeout=timeout_s)

    def produce(self, events: list[Event], partition: int, *, report: bool = False) -> Reports:
        """Hand *events* over without blocking and return those that were not taken.

        Later a failure is reported of the last of them alone, for each event that is to be heard of
        takes the interpreter from the event loop; with *report* every failure and every success.
        """
        if self._fatal.is_set():
            self._rebuild()
        # One by one and by place: `produce_batch` costs as much, with its dictionaries.
        hand_over, topic, last = self._producer.produce, self._topic, len(events) - 1
        on_delivery = self._note_all if report else None
        if report:
            self._asked_for += len(events)
        refused: Reports = []
        for at, (key, value) in enumerate(events):
            if at == last and not report:
                on_delivery = self._note_failure
            try:
                hand_over(topic, value, key, partition, on_delivery)
            except BufferError:
                full = KafkaError(KafkaError._QUEUE_FULL)  # noqa: SLF001 - has no public name
                refused.append((value, full))
            except KafkaException as exc:
                refused.append((value, exc.args[0]))
        if report:
            self._asked_for -= len(refused)
        return refused

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
