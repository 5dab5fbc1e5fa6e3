"""What the bridge asks of a client: `producers.client.TriggerClient`, or a stand-in in tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from producers.contract.changes import Change
    from producers.contract.entries import TriggerCall
    from producers.contract.receipts import AnswerPlace, Receipt
    from producers.control import Invocation, MailingView, PendingPage, Place
    from producers.erasing import Erasure
    from producers.recall import Recalled
    from producers.recipients import RecipientView
    from schemas.records import Channel, DedupPolicy, MailingPhase, Outcome, UnknownRecipients


class Client(Protocol):
    """The log, as far as the bridge sees it."""

    async def submit(
        self,
        call: TriggerCall,
        *,
        orgid: int,
        mid: int,
        request_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Mapping[int, tuple[Outcome, int]]: ...

    async def submit_dry_run(
        self, call: TriggerCall, *, orgid: int, mid: int
    ) -> Mapping[int, tuple[Outcome, int]]: ...

    def place(self, orgid: int) -> AnswerPlace: ...

    def receipt(self, call: TriggerCall, place: AnswerPlace) -> Receipt: ...

    async def hand_over(
        self,
        call: TriggerCall,
        *,
        orgid: int,
        mid: int,
        place: AnswerPlace,
        idempotency_key: str | None = None,
    ) -> None: ...

    async def recall(self, receipt: Receipt) -> Recalled: ...

    async def define(
        self,
        orgid: int,
        mid: int,
        *,
        name: str,
        type: str,  # noqa: A002 - the wire's word
        dedup: DedupPolicy,
        interval_s: int,
        channels: Collection[Channel],
        unknown_recipients: UnknownRecipients,
        hourly_cap: int,
        state: MailingPhase | None,
    ) -> MailingView: ...

    async def suspend(self, orgid: int, mid: int) -> MailingView: ...

    async def resume(self, orgid: int, mid: int) -> MailingView: ...

    async def cancel(self, orgid: int, mid: int) -> MailingView: ...

    async def finish(self, orgid: int, mid: int) -> MailingView: ...

    async def pending(self, orgid: int, mid: int, *, after: Place, limit: int) -> PendingPage: ...

    async def invoke(self, orgid: int, mid: int) -> Invocation: ...

    async def mailing(self, orgid: int, mid: int) -> MailingView: ...

    async def mailings(self, orgid: int, after_mid: int, limit: int) -> Sequence[MailingView]: ...

    async def recipient(
        self, orgid: int, *, rid: int | None, email: str | None
    ) -> RecipientView: ...

    async def erase_recipient(
        self, orgid: int, *, rid: int | None, email: str | None
    ) -> Erasure: ...

    async def submit_change(self, orgid: int, change: Change) -> RecipientView: ...
