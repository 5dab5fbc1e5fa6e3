"""Trigger mailings from another program, without HTTP."""

from __future__ import annotations

import itertools
import secrets
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from producers.bulk import BulkAnswer, blocks_of, bulk_answers, each_of, exchange_blocks
from producers.contract.answers import answer
from producers.contract.changes import Change, Who, change_of
from producers.contract.entries import KnownEntry
from producers.contract.mailing_calls import FIRST
from producers.contract.receipts import Receipt, request_id_of
from producers.contract.recipients import read_recipients
from producers.control import (
    DEFAULT_INTERVAL_S,
    Control,
    Invocation,
    MailingView,
    PendingPage,
)
from producers.dry_run import DryRun
from producers.errors import RecipientRefused, TriggerRejected, UnknownMailing
from producers.events import NO_REPLY, EventWriter
from producers.exchange import Exchange, unavailable
from producers.in_flight import InFlight
from producers.keyed import begin
from producers.outgoing import slices
from producers.recipients import RecipientCalls, RecipientView
from producers.waiting import Waiting
from schemas.ids import partition_of_rid
from schemas.records import (
    API_TRIGGERED,
    Channel,
    DedupPolicy,
    MailingPhase,
    Outcome,
    UnknownRecipients,
)
from schemas.topics import MAX_PAGE, MAX_REQUEST_ID_CHARS

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Collection,
        Iterable,
        Iterator,
        Mapping,
    )
    from types import TracebackType
    from typing import Self

    from producers.bulk import Answered, Block, Recipients
    from producers.contract.entries import Entry, TriggerCall
    from producers.contract.errors import EntryError
    from producers.contract.receipts import AnswerPlace
    from producers.control import Place
    from producers.erasing import Erasure
    from producers.events import Begun
    from producers.outgoing import Slice
    from producers.recall import Recalled
    from producers.settings import ClientSettings

__all__ = ["Invocation", "MailingView", "RecipientView", "Result", "TriggerClient"]

T = TypeVar("T")

Result = tuple[Outcome, int]

_TAKES_TRIGGERS = frozenset({MailingPhase.ACTIVE, MailingPhase.SUSPENDED})


class TriggerClient:
    """Produces trigger calls to the log and answers with the IDs the workers acknowledge.

    It belongs to the event loop it is opened in: ``async with TriggerClient(settings) as client``.
    Opening raises LogUnavailable or NotSetUp.
    """

    _exchange: Exchange
    _control: Control
    _recipients: RecipientCalls

    def __init__(self, settings: ClientSettings) -> None:
        self.settings = settings
        self.in_flight = InFlight()
        # Unique to this client, and short: every event and every answer carries one.
        self._name = secrets.token_hex(8)
        self._calls = itertools.count()

    async def __aenter__(self) -> Self:
        self._exchange = await Exchange.open(self.settings)
        self._control = Control(self._exchange)
        self._recipients = RecipientCalls(self._exchange)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._exchange.close()

    async def trigger(
        self,
        *,
        orgid: int,
        mid: int,
        recipients: Iterable[int | Mapping[str, object]],
        request_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> list[int]:
        """Add *recipients* to a mailing and return their IDs in order.

        TriggerRejected names the entries without an ID; the others were added all the same. Under
        an *idempotency_key* the same call may be made again for a day: each entry counts once, and
        is answered as it was the first time. KeyReused when another call has that key.
        """
        call = read_recipients(recipients)
        results = await self.submit(
            call, orgid=orgid, mid=mid, request_id=request_id, idempotency_key=idempotency_key
        )
        given = answer(call, results)
        if given.errors:
            raise TriggerRejected(given.ids, given.errors)
        return [rid for rid in given.ids if rid is not None]

    async def trigger_each(
        self,
        *,
        orgid: int,
        mid: int,
        recipients: Iterable[int | Mapping[str, object]],
        request_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> list[BulkAnswer]:
        """Add *recipients* to a mailing and return what became of each, in order.

        TriggerRejected only when the mailing takes none at all.
        """
        call = read_recipients(recipients)
        results = await self.submit(
            call, orgid=orgid, mid=mid, request_id=request_id, idempotency_key=idempotency_key
        )
        return each_of(call, results)

    async def dry_run(
        self, *, orgid: int, mid: int, recipients: Iterable[int | Mapping[str, object]]
    ) -> list[BulkAnswer]:
        """Return what `trigger_each` would, and change nothing; who would be new has no ID.

        It is as of everything acknowledged before. TriggerRejected as there; ContractError when
        more than 500 recipients cannot be judged apart from each other.
        """
        call = read_recipients(recipients)
        return each_of(call, await self.submit_dry_run(call, orgid=orgid, mid=mid))

    async def submit(
        self,
        call: TriggerCall,
        *,
        orgid: int,
        mid: int,
        request_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> dict[int, Result]:
        """Produce the entries of *call* and return (outcome, rid) by index.

        A missing index was not acknowledged within the timeout, or its event was not delivered.
        Nothing of *call.errors* is looked at. LogUnavailable when no entry has an answer and the
        log is the reason; Overloaded when too much is on its way. A given *request_id* must never
        be used for other content: a late answer to it would be taken for this call's.
        """
        begun = await self._begun(call, orgid, mid, idempotency_key)
        waiting = await self._submit(call, orgid, mid, self._checked(request_id, orgid), begun)
        return await self._mailing_first(waiting.answers, call, orgid, mid)

    async def trigger_many(
        self, *, orgid: int, mid: int, recipients: Recipients, request_id: str | None = None
    ) -> AsyncGenerator[BulkAnswer]:
        """Add any number of *recipients*, an iterable or an async one, in bounded memory.

        Yields what became of each, in order; an entry that was not acknowledged has a retriable
        error. At most a window of them is on its way, adapted to the delay of the answers, so
        that calls in between stay quick. TriggerRejected when the mailing takes no triggers;
        Overloaded and LogUnavailable only after some tries.
        """
        blocks = self.trigger_blocks(
            orgid=orgid, mid=mid, recipients=recipients, request_id=request_id
        )
        async with aclosing(blocks):
            async for block in blocks:
                for each in block:
                    yield each

    async def trigger_blocks(
        self, *, orgid: int, mid: int, recipients: Recipients, request_id: str | None = None
    ) -> AsyncGenerator[list[BulkAnswer]]:
        """Do as `trigger_many` does, with the answers in lists as they arrive."""
        blocks = blocks_of(recipients, self._checked(request_id, orgid))
        async with aclosing(self.exchange_blocks(blocks, orgid=orgid, mid=mid)) as answered:
            async for each in answered:
                yield bulk_answers(each)

    def exchange_blocks(
        self, blocks: AsyncIterator[Block[T]], *, orgid: int, mid: int
    ) -> AsyncGenerator[Answered[T]]:
        """Submit *blocks* as a window allows and yield them answered, in order."""
        return exchange_blocks(
            lambda call, request_id: self._submit(call, orgid, mid, request_id), blocks
        )

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
        request_id = self._checked(request_id, orgid)
        pieces = list(self._slices(call, orgid, mid, request_id, NO_REPLY))
        refused = dict(result for piece in pieces for result in piece.refused)
        if call.errors or refused:
            raise TriggerRejected([None] * call.size, _refusals(call, refused))
        await self._hand_over(call, request_id, pieces)

    async def define(
        self,
        orgid: int,
        mid: int,
        *,
        name: str,
        type: str = API_TRIGGERED,  # noqa: A002 - the wire's word
        dedup: DedupPolicy | str = DedupPolicy.RECIPIENT_CONTEXT,
        interval_s: int = DEFAULT_INTERVAL_S,
        channels: Collection[Channel | str] = (Channel.EMAIL,),
        unknown_recipients: UnknownRecipients | str = UnknownRecipients.CREATE,
        hourly_cap: int = 0,
        state: MailingPhase | str | None = None,
    ) -> MailingView:
        """Create or change a mailing and return it as it is then.

        *hourly_cap* is how many messages a recipient gets within an hour at most; 0: any number. A
        new mailing is active unless *state* is CREATED; one that is there stays as it is.
        """
        return await self._control.define(
            orgid,
            mid,
            name=name,
            type=type,
            dedup=dedup,
            interval_s=interval_s,
            channels=channels,
            unknown_recipients=unknown_recipients,
            hourly_cap=hourly_cap,
            state=state,
        )

    async def suspend(self, orgid: int, mid: int) -> MailingView:
        """Hold back what is pending, and what comes, until `resume`."""
        return await self._control.switch(orgid, mid, MailingPhase.SUSPENDED)

    async def resume(self, orgid: int, mid: int) -> MailingView:
        """Let a suspended mailing mail again, or a created one begin."""
        return await self._control.switch(orgid, mid, MailingPhase.ACTIVE)

    async def cancel(self, orgid: int, mid: int) -> MailingView:
        """Close a mailing for good; what is pending stays pending."""
        return await self._control.switch(orgid, mid, MailingPhase.CANCELLED)

    async def finish(self, orgid: int, mid: int) -> MailingView:
        """Close a mailing that has done its work; what is pending stays pending."""
        return await self._control.switch(orgid, mid, MailingPhase.FINISHED)

    async def pending(
        self, orgid: int, mid: int, *, after: Place = FIRST, limit: int = MAX_PAGE
    ) -> PendingPage:
        """Return a page of those who wait for the next invocation; UnknownMailing."""
        return await self._control.pending(orgid, mid, after=after, limit=limit)

    async def invoke(self, orgid: int, mid: int) -> Invocation:
        """Mail what is pending; UnknownMailing or ControlRefused when that cannot be."""
        return await self._control.invoke(orgid, mid)

    async def mailing(self, orgid: int, mid: int) -> MailingView:
        """Return a mailing as it is after everything acknowledged before; UnknownMailing."""
        return await self._control.mailing(orgid, mid)

    async def mailings(
        self, orgid: int, after_mid: int = 0, limit: int = MAX_PAGE
    ) -> list[MailingView]:
        """Return a page of an organisation's mailings in the order of their mid."""
        return await self._control.mailings(orgid, after_mid, limit)

    async def recipient(
        self, orgid: int, *, rid: int | None = None, email: str | None = None
    ) -> RecipientView:
        """Return the recipient of that *rid* or *email*, as it is stored; UnknownRecipient.

        It is as of everything acknowledged before.
        """
        _one_of(rid, email)
        return await self._recipients.read(orgid, Who(rid, email))

    async def change_recipient(
        self,
        orgid: int,
        fields: Mapping[str, object],
        *,
        rid: int | None = None,
        email: str | None = None,
    ) -> RecipientView:
        """Change what is stored of a recipient, and return it as it is then.

        *fields* are named as in a call, with `status` 0 to unsubscribe; others stay as they are.
        An unsubscription takes back the messages that wait. UnknownRecipient; RecipientRefused
        names what is wrong.
        """
        _one_of(rid, email)
        change, errors = change_of(fields, Who(rid, email))
        if change is None:
            raise RecipientRefused(errors)
        return await self.submit_change(orgid, change)

    async def submit_change(self, orgid: int, change: Change) -> RecipientView:
        """Produce *change*, once read, and return the recipient as it is then."""
        return await self._recipients.change(orgid, change)

    async def erase_recipient(
        self, orgid: int, *, rid: int | None = None, email: str | None = None
    ) -> Erasure:
        """Erase a recipient; return what is left of it, where and until when.

        Its messages that wait are taken back, its rid stays its own: the same address has it again
        when it is triggered again. Erasing it again answers the same. UnknownRecipient.
        """
        _one_of(rid, email)
        return await self._recipients.erase(orgid, Who(rid, email))

    async def submit_dry_run(self, call: TriggerCall, *, orgid: int, mid: int) -> dict[int, Result]:
        """Return what `submit` would, with rid 0 for who would be new."""
        with self.in_flight.holding(call.entries):
            results = await DryRun(self._exchange, orgid, mid).run(call)
        return await self._mailing_first(results, call, orgid, mid)

    # What a bridge needs beside, to answer later.

    def place(self, orgid: int) -> AnswerPlace:
        """Return the place of a call that is about to be submitted with its request id."""
        return self._exchange.place_of(self._checked(None, orgid))

    def receipt(self, call: TriggerCall, place: AnswerPlace) -> Receipt:
        """Return under what the answer of *call* can be asked for, when it is in the log."""
        # Entries above the size limit have no event either, but none that the contract accepts is.
        expected = sum(map(self._has_a_home, call.entries))
        return Receipt(place, expected, call.size)

    async def hand_over(
        self,
        call: TriggerCall,
        *,
        orgid: int,
        mid: int,
        place: AnswerPlace,
        idempotency_key: str | None = None,
    ) -> None:
        """Return when all events of *call* are durable in the log; LogUnavailable, Overloaded."""
        begun = await self._begun(call, orgid, mid, idempotency_key)
        request_id, reply_partition, _ = place
        pieces = self._slices(call, orgid, mid, request_id, reply_partition, begun)
        await self._hand_over(call, request_id, pieces)

    async def recall(self, receipt: Receipt) -> Recalled:
        """Return what is known of a call by now; LogUnavailable, Overloaded."""
        return await self._exchange.recall.read(receipt)

    async def _begun(
        self, call: TriggerCall, orgid: int, mid: int, key: str | None
    ) -> Begun | None:
        if key is None or not call.entries:
            return None
        request_id = self._checked(None, orgid)
        return await begin(
            self._exchange, call, orgid=orgid, mid=mid, key=key, request_id=request_id
        )

    def _checked(self, request_id: str | None, orgid: int) -> str:
        if request_id is None:
            return request_id_of(orgid, self._name, next(self._calls))
        if not 1 <= len(request_id) <= MAX_REQUEST_ID_CHARS:
            raise ValueError(f"a request_id has 1 to {MAX_REQUEST_ID_CHARS} characters")
        return request_id

    def _has_a_home(self, entry: Entry) -> bool:
        """Whether there is a partition that can know the entry's recipient."""
        return (
            not isinstance(entry, KnownEntry)
            or partition_of_rid(entry.rid) < self._exchange.partitions
        )

    async def _mailing_first(
        self, results: dict[int, Result], call: TriggerCall, orgid: int, mid: int
    ) -> dict[int, Result]:
        """Return *results*, or the mailing's refusal where no event has asked for it."""
        if results and not any(map(self._has_a_home, call.entries)):
            refusal = await self._refusal_of(orgid, mid)
            if refusal is not None:
                return dict.fromkeys(results, (refusal, 0))
        return results

    async def _refusal_of(self, orgid: int, mid: int) -> Outcome | None:
        """Return why a mailing takes no triggers; None when it does."""
        try:
            view = await self._control.mailing(orgid, mid)
        except UnknownMailing:
            return Outcome.UNKNOWN_MAILING
        if view.type != API_TRIGGERED:
            return Outcome.NOT_TRIGGERED
        return None if view.state in _TAKES_TRIGGERS else Outcome.MAILING_CLOSED

    async def _submit(
        self, call: TriggerCall, orgid: int, mid: int, request_id: str, begun: Begun | None = None
    ) -> Waiting[Result]:
        waiting: Waiting[Result] = Waiting(entry.index for entry in call.entries)
        pieces = self._slices(call, orgid, mid, request_id, self._exchange.reply_partition, begun)
        with self.in_flight.holding(call.entries):
            await self._exchange.run(request_id, waiting, pieces)
        if waiting.undelivered and not waiting.answers:
            raise unavailable(waiting)
        return waiting

    async def _hand_over(self, call: TriggerCall, request_id: str, pieces: Iterable[Slice]) -> None:
        # An answer that is quicker than the delivery's report proves the same.
        waiting: Waiting[Any] = Waiting(entry.index for entry in call.entries)
        with self.in_flight.holding(call.entries):
            await self._exchange.run(request_id, waiting, pieces, delivery_is_answer=True)
        if waiting.undelivered or waiting.missing:
            raise unavailable(waiting)

    def _slices(
        self,
        call: TriggerCall,
        orgid: int,
        mid: int,
        request_id: str,
        reply_partition: int,
        begun: Begun | None = None,
    ) -> Iterator[Slice]:
        writer = EventWriter(
            self._exchange.codec,
            orgid=orgid,
            mid=mid,
            request_id=request_id,
            reply_partition=reply_partition,
            begun=begun,
        )
        return slices(call.entries, writer, orgid=orgid, partitions=self._exchange.partitions)


def _one_of(rid: int | None, email: str | None) -> None:
    if (rid is None) == (email is None):
        raise ValueError("a recipient is named by rid or by email")


def _refusals(call: TriggerCall, refused: Mapping[int, Result]) -> list[EntryError]:
    entries = tuple(entry for entry in call.entries if entry.index in refused)
    return list(answer(replace(call, entries=entries), refused).errors)
