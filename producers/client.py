"""Trigger mailings from another program, without HTTP."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from producers.contract.answers import answer
from producers.contract.recipients import read_recipients
from producers.errors import LogUnavailable, TriggerRejected
from producers.events import NO_REPLY, EventWriter
from producers.in_flight import InFlight
from producers.log import LogWriter, never_sent
from producers.outgoing import slices
from producers.peek import place_of_event
from producers.replies import Replies
from producers.startup import log_partitions
from producers.waiting import Waiting
from producers.wire import open_wire
from schemas.records import Outcome
from schemas.topics import ACK_PARTITIONS, MAX_REQUEST_ID_CHARS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import Self

    from producers.contract.entries import TriggerCall
    from producers.contract.errors import EntryError
    from producers.log import Reports
    from producers.outgoing import Slice
    from producers.settings import ClientSettings
    from producers.wire import Wire

Result = tuple[Outcome, int]

START_TIMEOUT_S = 10.0


class TriggerClient:
    """Produces trigger calls to the log and answers with the IDs the workers acknowledge.

    It belongs to the event loop it is opened in: ``async with TriggerClient(settings) as client``.
    """

    _wire: Wire
    _replies: Replies
    _log: LogWriter

    def __init__(self, settings: ClientSettings) -> None:
        self.settings = settings
        self.partitions = 0
        self.in_flight = InFlight()

    async def __aenter__(self) -> Self:
        """Connect, check the topics, and find the end of the answers; LogUnavailable, NotSetUp."""
        loop = asyncio.get_running_loop()
        self._wire = await asyncio.to_thread(open_wire, self.settings)
        self._log = LogWriter(self.settings, loop=loop, on_reports=self._reported)
        try:
            self.partitions = await asyncio.to_thread(
                log_partitions, self._log, self.settings, START_TIMEOUT_S
            )
            # Load is spread over the partitions by chance: clients know nothing of each other.
            partition = random.randrange(ACK_PARTITIONS)  # noqa: S311
            self._replies = Replies(self.settings, self._wire, partition=partition, loop=loop)
            await asyncio.to_thread(self._replies.start, START_TIMEOUT_S)
        except BaseException:
            await asyncio.to_thread(self._log.close)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of the log; calls under way end as not acknowledged."""
        await asyncio.to_thread(self._log.close)
        await asyncio.to_thread(self._replies.close)

    async def trigger(
        self,
        *,
        orgid: int,
        mid: int,
        recipients: Iterable[int | Mapping[str, object]],
        request_id: str | None = None,
    ) -> list[int]:
        """Add *recipients* to a mailing and return their IDs in order.

        TriggerRejected names the entries without an ID; the others were added all the same.
        """
        call = read_recipients(recipients)
        results = await self.submit(call, orgid=orgid, mid=mid, request_id=request_id)
        given = answer(call, results)
        if given.errors:
            raise TriggerRejected(given.ids, given.errors)
        return [rid for rid in given.ids if rid is not None]

    async def submit(
        self, call: TriggerCall, *, orgid: int, mid: int, request_id: str | None = None
    ) -> dict[int, Result]:
        """Produce the entries of *call* and return (outcome, rid) by index.

        A missing index was not acknowledged within the timeout, or its event was not delivered.
        Nothing of *call.errors* is looked at. LogUnavailable when no entry has an answer and the
        log is the reason; Overloaded when too much is on its way.
        """
        waiting: Waiting[Result] = Waiting(entry.index for entry in call.entries)
        request_id = _checked(request_id)
        pieces = self._slices(call, orgid, mid, request_id, self._replies.partition)
        with self.in_flight.holding(call.entries), self._replies.expecting(request_id, waiting):
            try:
                async with asyncio.timeout(self.settings.ack_timeout_s):
                    for piece in pieces:
                        waiting.take(piece.refused, at=time.monotonic())
                        await self._produce(piece)
                    await waiting.done()
            except TimeoutError:
                # What is there is told; what is missing is named by its absence.
                pass
        if waiting.undelivered and not waiting.answers:
            raise _unavailable(waiting)
        return waiting.answers

    async def post(
        self,
        *,
        orgid: int,
        mid: int,
        recipients: Iterable[int | Mapping[str, object]],
        request_id: str | None = None,
    ) -> None:
        """Return when all *recipients* are durable in the log, without waiting for their IDs.

        TriggerRejected when one is malformed: then none was produced. What a worker rejects later
        is counted in the mailing, and nobody is told.
        """
        call = read_recipients(recipients)
        request_id = _checked(request_id)
        pieces = list(self._slices(call, orgid, mid, request_id, NO_REPLY))
        refused = dict(result for piece in pieces for result in piece.refused)
        if call.errors or refused:
            raise TriggerRejected([None] * call.size, _refusals(call, refused))
        waiting: Waiting[None] = Waiting(entry.index for entry in call.entries)
        with self.in_flight.holding(call.entries), self._replies.expecting(request_id, waiting):
            try:
                async with asyncio.timeout(self.settings.ack_timeout_s):
                    for piece in pieces:
                        await self._produce(piece, report=True)
                    await waiting.done()
            except TimeoutError:
                pass
        if waiting.undelivered or waiting.missing:
            raise _unavailable(waiting)

    def _slices(
        self, call: TriggerCall, orgid: int, mid: int, request_id: str, reply_partition: int
    ) -> Iterator[Slice]:
        writer = EventWriter(
            self._wire.codec,
            orgid=orgid,
            mid=mid,
            request_id=request_id,
            reply_partition=reply_partition,
        )
        return slices(call.entries, writer, orgid=orgid, partitions=self.partitions)

    async def _produce(self, piece: Slice, *, report: bool = False) -> None:
        for partition, events in piece.batches:
            self._reported(self._log.produce(events, partition=partition, report=report))
        # Other calls of this loop have their turn between the slices of a large one.
        await asyncio.sleep(0)

    def _reported(self, reports: Reports) -> None:
        """Tell the calls what became of their events on the way into the log."""
        for value, error in reports:
            request_id, index = place_of_event(self._wire.codec.framing, value)
            waiting: Waiting[Any] | None = self._replies.find(request_id)
            if waiting is None:
                continue
            if error is None:
                waiting.take([(index, None)], at=time.monotonic())
            else:
                waiting.fail(index, error)


def _checked(request_id: str | None) -> str:
    if request_id is None:
        return uuid.uuid4().hex
    if not 1 <= len(request_id) <= MAX_REQUEST_ID_CHARS:
        raise ValueError(f"a request_id has 1 to {MAX_REQUEST_ID_CHARS} characters")
    return request_id


def _refusals(call: TriggerCall, refused: Mapping[int, Result]) -> list[EntryError]:
    entries = tuple(entry for entry in call.entries if entry.index in refused)
    return list(answer(replace(call, entries=entries), refused).errors)


def _unavailable(waiting: Waiting[Any]) -> LogUnavailable:
    errors = list(waiting.undelivered.values())
    why = errors[0].str() if errors else "no delivery report in time"
    produced = bool(waiting.answers or waiting.missing) or not all(map(never_sent, errors))
    return LogUnavailable(f"the log did not take the events: {why}", produced=produced)
