"""Keeps a table of `mailing.statistics`: the topic from its beginning, read on a thread."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from producers.errors import ClientError
from producers.hearing import Hearing
from producers.mailing_statistics import StatisticsTable
from producers.wire import open_wire
from schemas.errors import WireError
from schemas.records import MAILING_STATISTICS
from schemas.topics import STATISTICS

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from confluent_kafka import Message

    from producers.settings import ClientSettings
    from producers.wire import Wire
    from schemas.codec import Record

log = logging.getLogger("mailing_trigger.statistics")

_POLL_S = 0.1
_ASK_S = 5.0
_AGAIN_S = 5.0
# A bridge ends in five seconds, whatever a broker or a registry does not answer.
_END_S = 1.0
# One wake-up of the event loop takes at most this many rows.
_MAX_ROWS = 500


class StatisticsReader:
    """Reads rows into `table`, on the event loop it is entered in; has no group.

    Entering waits for nothing: without a broker, or without the topic, the table is not complete.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self.table = StatisticsTable()
        self._settings = settings
        self._topic = settings.topic_prefix + STATISTICS
        # Up to where each partition is in the table, transaction markers included.
        self._positions: dict[int, int] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="statistics", daemon=True)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        await asyncio.to_thread(self._thread.join, _END_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with closing(Consumer(self._config(), logger=log)) as consumer:
                    self._read(consumer, open_wire(self._settings))
            except (KafkaException, ClientError) as exc:
                why = exc.args[0].name() if isinstance(exc, KafkaException) else str(exc)
                log.warning("statistics cannot be read at the moment: %s", why)
            except Exception as exc:  # noqa: BLE001 - the border of the thread
                # Not its text: it may quote a record.
                log.warning("the reader of statistics begins anew: %s", type(exc).__name__)
            self._stopping.wait(random.uniform(0.5, 1) * _AGAIN_S)  # noqa: S311 - jitter

    def _config(self) -> dict[str, Any]:
        return {
            **self._settings.librdkafka(),
            # Required by the library; nothing is ever committed under it.
            "group.id": "mailing-trigger-statistics",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "fetch.queue.backoff.ms": 5,
            "queued.max.messages.kbytes": 8 * 1024,
        }

    def _read(self, consumer: Consumer, wire: Wire) -> None:
        """Read until stopped; return when the topic does not exist, or *consumer* is deaf."""
        # Of all topics: asked for one, a broker may create it.
        found = consumer.list_topics(timeout=_ASK_S).topics.get(self._topic)
        if found is None:
            log.warning("there is no topic %s: run `mailing-trigger topics create`", self._topic)
            return
        left = set(found.partitions)
        begin = {partition: self._positions.get(partition, OFFSET_BEGINNING) for partition in left}
        consumer.assign([TopicPartition(self._topic, *place) for place in begin.items()])
        hearing = Hearing(self._topic, self._config())
        while not self._stopping.is_set():
            first = consumer.poll(_POLL_S)
            if hearing.deaf(consumer, self._positions):
                log.warning("the reader of statistics is replaced: it heard nothing any more")
                return
            if first is None:
                continue
            rows = []
            for message in (first, *consumer.consume(_MAX_ROWS - 1, 0)):
                error = message.error()
                partition, offset = message.partition() or 0, message.offset() or 0
                if error is None:
                    rows += _rows(wire, message)
                    self._positions[partition] = offset + 1
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    left.discard(partition)
                    self._positions[partition] = offset
                else:
                    log.warning("statistics cannot be read at the moment: %s", error.name())
            if not self._stopping.is_set():
                self._loop.call_soon_threadsafe(self._take, rows, not left)

    def _take(self, rows: list[Record], complete: bool) -> None:
        for row in rows:
            self.table.take(row)
        self.table.complete = self.table.complete or complete


def _rows(wire: Wire, message: Message) -> list[Record]:
    value = message.value()
    try:
        wire.meet(value)
        name, row = wire.codec.decode(value)
    except WireError as exc:
        log.warning("a record among the statistics is skipped: %s", exc.reason)
        return []
    return [row] if name == MAILING_STATISTICS else []
