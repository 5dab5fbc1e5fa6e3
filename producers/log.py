"""The way into the log: idempotent producers, one at a time, served by a thread."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, Producer

from producers.lane import Lane
from schemas.topics import MAX_ENTRIES

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from producers.calls import Reports
    from producers.settings import ClientSettings

log = logging.getLogger("mailing_trigger.client")

PAUSE_S = 0.01
CLOSE_S = 5.0
# Above what the client lets be in flight, so the queue is full only when something is broken.
QUEUE_EVENTS = 4 * MAX_ENTRIES
QUEUE_KIB = 512 * 1024

Event = tuple[bytes | None, bytes]  # key and value


# With these the event certainly did not reach the log. Not _PURGE_QUEUE: an event that was sent and
# waits to be sent again, for its answer was lost, lies in the same queue.
_NEVER_SENT = frozenset(
    {
        "_QUEUE_FULL",
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
    """Return when to give an event up, so that the caller still has time to hear of it."""
    return max(ack_timeout_s - 1.0, ack_timeout_s / 2)


class LogWriter:
    """Produces events; what became of them comes back in the event loop, many at a time.

    Events go to one producer. One that is late, or has failed for good, gets no more: the next
    events go to a new one, which never sends what the old one had, and may overtake it. Half a
    timeout later the old one is empty or given up, so one at a time is late.
    """

    def __init__(
        self,
        settings: ClientSettings,
        *,
        loop: asyncio.AbstractEventLoop,
        on_reports: Callable[[Reports], None],
        linger_ms: float = 0,
        producer_of: Callable[..., Producer] = Producer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._topic = settings.log_topic
        self._loop = loop
        self._on_reports = on_reports
        # Filled by the lanes, emptied by the thread.
        self._reports: Reports = []
        self._stopping = threading.Event()
        self._producer_of = producer_of
        self._clock = clock
        self._patience_s = _produce_timeout_s(settings.ack_timeout_s)
        self._config = {
            **settings.librdkafka(),
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": linger_ms,
            "retry.backoff.ms": 20,
            "queue.buffering.max.messages": QUEUE_EVENTS,
            "queue.buffering.max.kbytes": QUEUE_KIB,
        }
        self._lane = self._build()
        # Appended to by the event loop alone, removed from by the thread alone.
        self._retired: list[Lane] = []
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def list_topics(self, timeout_s: float) -> Any:
        """Return the cluster's metadata; blocks."""
        return self._lane.producer.list_topics(timeout=timeout_s)

    def produce(self, events: list[Event], partition: int, *, report: bool = False) -> Reports:
        """Hand *events* over without blocking and return those that were not taken.

        Later a failure is reported of the last of them alone, for each event that is to be heard of
        takes the interpreter from the event loop; with *report* every failure and every success.
        """
        if self._lane.stale:
            self._replace()
        moment = self._lane.moment(self._clock())
        # One by one and by place: `produce_batch` costs as much, with its dictionaries.
        hand_over, topic, last = self._lane.producer.produce, self._topic, len(events) - 1
        on_delivery = moment.note_all if report else None
        if report:
            moment.asked_for += len(events)
        moment.handed_over += len(events) if report else 1
        refused: Reports = []
        for at, (key, value) in enumerate(events):
            if at == last and not report:
                on_delivery = moment.note_failure
            try:
                hand_over(topic, value, key, partition, on_delivery)
            except BufferError:
                full = KafkaError(KafkaError._QUEUE_FULL)  # noqa: SLF001 - has no public name
                refused.append((value, full))
            except KafkaException as exc:
                refused.append((value, exc.args[0]))
        if report:
            moment.asked_for -= len(refused)
            moment.handed_over -= len(refused)
        elif len(refused) == len(events):
            moment.handed_over -= 1
        # Where the last was refused and others were not, nobody hears of these: what is never heard
        # of lets the lane end in time.
        return refused

    def close(self) -> None:
        """Give what is queued a last chance, then stop; blocks."""
        deadline = time.monotonic() + CLOSE_S
        for lane in [self._lane, *self._retired]:
            lane.flush(max(deadline - time.monotonic(), 0))
        self._stopping.set()
        self._thread.join()

    def _build(self) -> Lane:
        return Lane(self._producer_of, self._config, self._reports, patience_s=self._patience_s)

    def _replace(self) -> None:
        old, self._lane = self._lane, self._build()
        self._retired.append(old)
        log.warning("the producer is replaced: %s", old.why)

    def _run(self) -> None:
        while not self._stopping.is_set():
            lanes = [self._lane, *self._retired]
            if not any(lane.awaited for lane in lanes):
                # Nobody waits for reports but to hear of failures. Each wake-up takes the
                # interpreter from the event loop, so many reports share one.
                self._stopping.wait(PAUSE_S)
            for lane in lanes:
                lane.serve()
                lane.judge(self._clock())
            for lane in [*self._retired]:
                if lane.empty:
                    self._retired.remove(lane)
            if self._reports:
                # Those that a closing flush adds meanwhile stay.
                reports = self._reports[:]
                del self._reports[: len(reports)]
                self._loop.call_soon_threadsafe(self._on_reports, reports)
