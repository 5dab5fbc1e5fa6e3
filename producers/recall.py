"""Answers read again, from where they lie: for callers who did not wait for them."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from producers.errors import LogUnavailable, Overloaded
from producers.hearing import close_apart
from producers.replies import answers_in
from schemas.errors import WireError

if TYPE_CHECKING:
    from confluent_kafka import Message

    from producers.contract.receipts import Receipt
    from producers.settings import ClientSettings
    from producers.wire import Wire
    from schemas.records import Outcome

log = logging.getLogger("mailing_trigger.client")

# One after the other, so that whoever asks much keeps nobody's call waiting. A second reads more
# answers than workers give in a minute.
READ_S = 2.0
ASK_S = 2.0
MAX_WAITING = 32
_POLL_S = 0.1
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Recalled:
    """What was found of a call: (outcome, rid) by index.

    *next_offset* is where to begin the next time. *gone*: some of its answers may be deleted;
    *unknown*: no call can have this receipt.
    """

    results: dict[int, tuple[Outcome, int]] = field(default_factory=dict)
    next_offset: int = 0
    gone: bool = False
    unknown: bool = False


class Recall:
    """Reads the acknowledgements from any place, without a group."""

    def __init__(self, settings: ClientSettings, wire: Wire) -> None:
        self._settings = settings
        self._wire = wire
        self._consumer: Consumer | None = None
        self._thread = ThreadPoolExecutor(1, "recall")
        self._stopping = threading.Event()
        self._waiting = 0

    async def read(self, receipt: Receipt) -> Recalled:
        """Return what there is now; LogUnavailable, or Overloaded when too many ask."""
        if self._waiting >= MAX_WAITING:
            raise Overloaded("too many ask for answers")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, self._read, receipt
            )
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Stop reading; blocks for at most a question to the broker."""
        self._stopping.set()
        self._thread.shutdown(cancel_futures=True)
        if self._consumer is not None:
            self._consumer.close()

    def _read(self, receipt: Receipt) -> Recalled:
        if self._consumer is None:
            self._consumer = self._build()
        try:
            return self._read_with(self._consumer, receipt)
        except KafkaException as exc:
            # Asked with a new one the next time: this one may never answer again.
            self._drop()
            why = exc.args[0].str()
            raise LogUnavailable(f"answers cannot be read: {why}", produced=False) from exc
        finally:
            if self._consumer is not None:
                self._consumer.unassign()

    def _drop(self) -> None:
        if self._consumer is not None:
            close_apart(self._consumer)
            self._consumer = None

    def _build(self) -> Consumer:
        return Consumer(
            {
                **self._settings.librdkafka(),
                # Required by the library; nothing is ever committed under it.
                "group.id": "mailing-trigger-recall",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_uncommitted",
                # What is deleted while it is read must not be taken for read.
                "auto.offset.reset": "error",
                "fetch.queue.backoff.ms": 5,
            },
            logger=log,
        )

    def _read_with(self, consumer: Consumer, receipt: Receipt) -> Recalled:
        request_id, partition, offset = receipt.place
        place = TopicPartition(self._settings.acks_topic, partition, offset)
        begin, end = consumer.get_watermark_offsets(place, ASK_S, cached=False)
        if offset > end:
            return Recalled(unknown=True)
        place.offset = at = begun = max(offset, begin)
        consumer.assign([place])
        results: dict[int, tuple[Outcome, int]] = {}
        first = None
        mark = request_id.encode()
        deadline = time.monotonic() + READ_S
        while at < end and len(results) < receipt.expected and not self._stopping.is_set():
            if time.monotonic() > deadline:
                if at == begun:
                    # It answers what it is asked and fetches nothing: the next one will.
                    self._drop()
                break
            for message in consumer.consume(_AT_ONCE, _POLL_S):
                at = _after(message, at)
                value = message.value()
                if message.error() is not None or value is None or mark not in value:
                    continue
                found = self._answers(value, receipt)
                if found and first is None:
                    first = at - 1
                # The first answer to an entry counts, as it does for who waits.
                results = found | results
        return Recalled(results, at if first is None else first, gone=offset < begin)

    def _answers(self, value: bytes, receipt: Receipt) -> dict[int, tuple[Outcome, int]]:
        try:
            calls = answers_in(self._wire, value)
        except WireError:
            return {}
        return {
            index: answer
            for request_id, answers in calls
            if request_id == receipt.place.request_id
            for index, answer in answers
            # Others only where somebody has made the receipt up.
            if index < receipt.size
        }


def _after(message: Message, at: int) -> int:
    """Return the offset that follows *message*, which may be the mark of the end, or an error."""
    error = message.error()
    if error is None:
        return int(message.offset() or 0) + 1
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
        return int(message.offset() or at)
    if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - its public name
        raise KafkaException(error)
    # The library reports what it tries again, too.
    return at
