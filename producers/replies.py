"""The answers of the workers: one partition of the acknowledgements, read on a thread."""

from __future__ import annotations

import logging
import random
import threading
import time
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaException, TopicPartition

from producers.acks import read_acks
from producers.errors import LogUnavailable
from producers.hearing import Hearing, close_apart
from schemas.errors import WireError
from schemas.framing import schema_text
from schemas.records import (
    ACKNOWLEDGEMENT,
    CALL_ANSWER,
    DRY_RUN_ANSWER,
    MAILING_ANSWER,
    PENDING_ANSWER,
    RECIPIENT_ANSWER,
    Outcome,
)

if TYPE_CHECKING:
    import asyncio

    from confluent_kafka import Message

    from producers.calls import Answered, Calls
    from producers.settings import ClientSettings
    from producers.wire import Wire

log = logging.getLogger("mailing_trigger.client")

POLL_S = 0.1
# One wake-up of the event loop carries at most this many records.
MAX_RECORDS = 500
_END_S = 1.0

_OUTCOMES = {outcome.name: outcome for outcome in Outcome}
_ANSWERS = {MAILING_ANSWER, PENDING_ANSWER, RECIPIENT_ANSWER, CALL_ANSWER, DRY_RUN_ANSWER}


class Replies:
    """Reads the partition the client has named in its events and hands answers to the calls.

    It has no group, so no rebalance ever delays an answer.
    """

    def __init__(
        self,
        settings: ClientSettings,
        wire: Wire,
        calls: Calls,
        *,
        partition: int,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.partition = partition
        self._place = TopicPartition(settings.acks_topic, partition)
        self._wire = wire
        self._loop = loop
        self._calls = calls
        # No answer to a call that is yet to be made lies before it.
        self.next_offset = 0
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._broken = False
        self._config = {
            **settings.librdkafka(),
            # Required by the library; nothing is ever committed under it.
            "group.id": "mailing-trigger-replies",
            "enable.auto.commit": False,
            "isolation.level": "read_uncommitted",
            # After a topic was made anew: everything in it may be an answer to us.
            "auto.offset.reset": "earliest",
            "fetch.error.backoff.ms": 50,
            # The default, 1000, stops fetching for a second when a burst fills the queue.
            "fetch.queue.backoff.ms": 5,
        }
        self._consumer = self._build()
        self._hearing = Hearing(self._place.topic, self._config)
        self._thread = threading.Thread(target=self._run, name="replies", daemon=True)

    def start(self, timeout_s: float) -> None:
        """Fix the offset reading starts at, then read; blocks, and comes before any produce."""
        end = self._end(time.monotonic() + timeout_s)
        self._place.offset = self.next_offset = end
        self._consumer.assign([self._place])
        with self._starting:
            # Whoever opens a client may have lost patience meanwhile.
            if not self._stopping.is_set():
                self._thread.start()

    def _end(self, deadline: float) -> int:
        # The library does not ask again when a partition is between two leaders, as a new topic
        # or a restarted broker has it for a moment.
        while True:
            left = max(deadline - time.monotonic(), POLL_S)
            try:
                _, end = self._consumer.get_watermark_offsets(self._place, left, cached=False)
            except KafkaException as exc:
                if time.monotonic() > deadline or self._stopping.is_set():
                    why = exc.args[0].str()
                    raise LogUnavailable(
                        f"the end of {self._place.topic} cannot be read: {why}", produced=False
                    ) from exc
                self._stopping.wait(random.uniform(0.5, 1) * POLL_S)  # noqa: S311 - jitter
            else:
                return int(end)

    def close(self) -> None:
        """Stop reading; blocks for a second at most."""
        with self._starting:
            self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_END_S)
        if self._thread.is_alive():
            # It asks a broker that does not answer, and ends after that.
            close_apart(self._consumer)
        else:
            self._consumer.close()

    def check(self) -> None:
        """Raise LogUnavailable when nothing will ever be read again."""
        if self._broken:
            raise LogUnavailable("the reader of acknowledgements has failed", produced=False)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                first = self._consumer.poll(POLL_S)
                if first is None:
                    self._look()
                    continue
                messages = [first, *self._consumer.consume(MAX_RECORDS - 1, 0)]
                if batch := self._read(messages):
                    self._loop.call_soon_threadsafe(self._calls.answered, batch, time.monotonic())
        except Exception as exc:  # noqa: BLE001 - the border of the thread
            # Not its text: it may quote a record.
            self._broken = True
            log.error("the reader of acknowledgements has failed: %s", type(exc).__name__)  # noqa: TRY400

    def _build(self) -> Consumer:
        return Consumer(self._config, logger=log)

    def _look(self) -> None:
        """Read with a new consumer where the one there is has gone deaf."""
        if not self._hearing.deaf(self._consumer, {self.partition: self.next_offset}):
            return
        try:
            fresh = self._build()
        except KafkaException:
            # Out of files or threads, say; the next look tries again.
            return
        self._place.offset = self.next_offset
        fresh.assign([self._place])
        log.warning("the reader of acknowledgements is replaced: it heard nothing any more")
        close_apart(self._consumer)
        self._consumer = fresh

    def _read(self, messages: list[Message]) -> list[Answered]:
        batch: list[Answered] = []
        for message in messages:
            if error := message.error():
                log.warning("acknowledgements cannot be read at the moment: %s", error.name())
                continue
            try:
                answers = answers_in(self._wire, message.value())
            except WireError as exc:
                log.warning("a record among the acknowledgements is skipped: %s", exc.reason)
                continue
            except Exception as exc:  # noqa: BLE001 - one record must not end the reader
                reason = type(exc).__name__
                log.warning("a record among the acknowledgements is skipped: %s", reason)
                continue
            # Others are somebody else's, or of a call that has given up.
            batch += [answer for answer in answers if answer[0] in self._calls]
        if messages[-1].error() is None:
            self.next_offset = int(messages[-1].offset() or 0) + 1
        return batch


def answers_in(wire: Wire, value: bytes | None) -> list[Answered]:
    """Return the answers of a record, by call; blocks when its schema has to be asked for."""
    wire.meet(value)
    codec = wire.codec
    writer, start = codec.framing.split(value)
    if value is not None and writer.text == schema_text(ACKNOWLEDGEMENT):
        return read_acks(value, start)
    name, record = codec.decode(value)
    if name == ACKNOWLEDGEMENT:
        return [
            (
                call["request_id"],
                [
                    (entry["index"], (_OUTCOMES[entry["outcome"]], entry["rid"]))
                    for entry in call["entries"]
                ],
            )
            for call in record["calls"]
        ]
    if name in _ANSWERS:
        return [(record["request_id"], [(record["index"], record)])]
    return []
