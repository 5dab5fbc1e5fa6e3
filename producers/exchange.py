"""One client's way out and back: events into the log, answers from the acknowledgements."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

from producers.calls import Calls
from producers.contract.receipts import AnswerPlace
from producers.erasing import Retention
from producers.errors import LogUnavailable, NotAcknowledged
from producers.log import LogWriter, never_sent
from producers.log_shape import LogShape
from producers.outgoing import Slice
from producers.recall import Recall
from producers.replies import Replies
from producers.startup import log_partitions
from producers.waiting import Waiting
from producers.wire import open_wire
from schemas.topics import ACK_PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from producers.log import Event
    from producers.settings import ClientSettings
    from schemas.codec import Codec

START_TIMEOUT_S = 10.0
# 1 ms costs a lone call 2-3 ms and saves nothing: many at once fill batches anyway.
LINGER_MS = 0
# Calls of so many recipients go another way into the log, where events wait for each other: sent
# as they are written, every few of them would be a request to the broker. Smaller calls were no
# faster with it, and would wait longer.
BULK = 1000
BULK_LINGER_MS = 20


class Exchange:
    """Produces the events of calls and waits for what becomes of them; lives in one event loop."""

    def __init__(
        self,
        settings: ClientSettings,
        *,
        codec: Codec,
        calls: Calls,
        log: LogWriter,
        bulk: LogWriter,
        replies: Replies,
        recall: Recall,
        partitions: int,
    ) -> None:
        self.recall = recall
        self.codec = codec
        self.partitions = partitions
        self.reply_partition = replies.partition
        self._timeout_s = settings.ack_timeout_s
        self._calls = calls
        self._log = log
        self._bulk = bulk
        self._replies = replies
        self.retention = Retention(settings)
        self._shape = LogShape(settings)
        self._shape.start()
        self._loop = asyncio.get_running_loop()
        # Batches in their order: partition, events, and whether their delivery is to be reported.
        self._outbox: list[tuple[int, list[Event], bool]] = []

    @classmethod
    async def open(cls, settings: ClientSettings) -> Exchange:
        """Connect, check the topics, and fix where reading answers starts."""
        loop = asyncio.get_running_loop()
        wire = await asyncio.to_thread(open_wire, settings)
        calls = Calls(wire.codec.framing)
        log, bulk = (
            LogWriter(settings, loop=loop, on_reports=calls.reported, linger_ms=linger_ms)
            for linger_ms in (LINGER_MS, BULK_LINGER_MS)
        )
        replies = None
        try:
            # Both ask, for a producer that does not know the log yet would tell too late that it
            # is gone.
            for each in (log, bulk):
                partitions = await asyncio.to_thread(
                    log_partitions, each, settings, START_TIMEOUT_S
                )
            # Load is spread over the partitions by chance: clients know nothing of each other.
            partition = random.randrange(ACK_PARTITIONS)  # noqa: S311
            replies = Replies(settings, wire, calls, partition=partition, loop=loop)
            await asyncio.to_thread(replies.start, START_TIMEOUT_S)
        except BaseException:
            await _close(log, bulk)
            if replies is not None:
                await asyncio.to_thread(replies.close)
            raise
        return cls(
            settings,
            codec=wire.codec,
            calls=calls,
            log=log,
            bulk=bulk,
            replies=replies,
            recall=Recall(settings, wire),
            partitions=partitions,
        )

    async def close(self) -> None:
        """Let go of the log; calls under way end as not acknowledged."""
        self._shape.close()
        self._send()
        await _close(self._log, self._bulk)
        await asyncio.to_thread(self._replies.close)
        await asyncio.to_thread(self.recall.close)

    def place_of(self, request_id: str) -> AnswerPlace:
        """Return where the answers of a call that is yet to be made will lie."""
        return AnswerPlace(request_id, self.reply_partition, self._replies.next_offset)

    async def run(
        self,
        request_id: str,
        waiting: Waiting[Any],
        pieces: Iterable[Slice],
        *,
        delivery_is_answer: bool = False,
    ) -> None:
        """Produce *pieces* and return when *waiting* is done or its time is over.

        What is there by then is in *waiting*. With *delivery_is_answer* an event is answered, with
        None, by being durable in the log. LogChanged when the log is another one by now.
        """
        self._shape.check()
        self._replies.check()
        bulk = len(waiting.missing) >= BULK
        with self._calls.expecting(request_id, waiting):
            # `asyncio.timeout` would cost a call 3 us more.
            timer = self._loop.call_later(self._timeout_s, waiting.give_up)
            try:
                for number, piece in enumerate(pieces):
                    if number:
                        # Other calls of this loop have their turn between the pieces.
                        await asyncio.sleep(0)
                        if waiting.over:
                            break
                    if piece.refused:
                        waiting.take(piece.refused, at=time.monotonic())
                    if bulk:
                        for partition, events in piece.batches:
                            self._hand_over(self._bulk, partition, events, delivery_is_answer)
                    else:
                        self._produce(piece, report=delivery_is_answer)
                await waiting.done()
            finally:
                timer.cancel()

    async def ask(self, request_id: str, index: int, partition: int, event: Event) -> Any:
        """Produce one event, and return what its partition answers under *index*.

        LogUnavailable, or NotAcknowledged when nobody answers in time.
        """
        waiting: Waiting[Any] = Waiting([index])
        await self.run(request_id, waiting, [Slice([(partition, [event])])])
        if waiting.undelivered:
            raise unavailable(waiting)
        if waiting.missing:
            raise NotAcknowledged(answered=0, expected=1)
        return waiting.answers[index]

    def _produce(self, piece: Slice, *, report: bool) -> None:
        """Put events into the outbox, which goes to the producer when the loop comes round again.

        So the calls that a turn of the loop has begun share requests to the broker, fetches of the
        worker and answers, and a call that is alone waits for nobody.
        """
        if not self._outbox:
            self._loop.call_soon(self._send)
        for partition, events in piece.batches:
            self._outbox.append((partition, events, report))

    def _send(self) -> None:
        outbox, self._outbox = self._outbox, []
        for partition, events, report in outbox:
            self._hand_over(self._log, partition, events, report)

    def _hand_over(self, log: LogWriter, partition: int, events: list[Event], report: bool) -> None:
        refused = log.produce(events, partition, report=report)
        if refused:
            self._calls.reported(refused)


async def _close(*logs: LogWriter) -> None:
    await asyncio.gather(*(asyncio.to_thread(log.close) for log in logs))


def unavailable(waiting: Waiting[Any]) -> LogUnavailable:
    """Return why the log did not take all events of *waiting*."""
    errors = list(waiting.undelivered.values())
    why = errors[0].str() if errors else "no delivery report in time"
    produced = bool(waiting.answers or waiting.missing) or not all(map(never_sent, errors))
    return LogUnavailable(f"the log did not take the events: {why}", produced=produced)
