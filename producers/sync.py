"""The client for programs without an event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from producers.client import TriggerClient
from producers.contract.mailing_calls import FIRST
from producers.control import DEFAULT_INTERVAL_S
from schemas.records import API_TRIGGERED, Channel, DedupPolicy, UnknownRecipients
from schemas.topics import MAX_PAGE

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import Self

    from producers.bulk import BulkAnswer
    from producers.client import Result
    from producers.contract.entries import TriggerCall
    from producers.control import Invocation, MailingView, PendingPage, Place
    from producers.erasing import Erasure
    from producers.recipients import RecipientView
    from producers.settings import ClientSettings
    from schemas.records import MailingPhase

T = TypeVar("T")


class SyncTriggerClient:
    """`TriggerClient` with blocking methods; it may be shared by threads."""

    def __init__(self, settings: ClientSettings) -> None:
        self._client = TriggerClient(settings)

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="trigger-client", daemon=True
        )
        self._thread.start()
        try:
            self._run(self._client.__aenter__())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._run(self._client.__aexit__(kind, error, trace))
        finally:
            self._stop()

    def trigger(
        self,
        *,
        orgid: int,
        mid: int,
        recipients: Iterable[int | Mapping[str, object]],
        request_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> list[int]:
        """See `TriggerClient.trigger`."""
        return self._run(
            self._client.trigger(
                orgid=orgid,
                mid=mid,
                recipients=recipients,
                request_id=request_id,
                idempotency_key=idempotency_key,
            )
        )

    def trigger_each(
        self,
        *,
        orgid: int,
        mid: int,
        recipients: Iterable[int | Mapping[str, object]],
        request_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> list[BulkAnswer]:
        """See `TriggerClient.trigger_each`."""
        return self._run(
            self._client.trigger_each(
                orgid=orgid,
                mid=mid,
                recipients=recipients,
                request_id=request_id,
                idempotency_key=idempotency_key,
            )
        )

    def dry_run(
        self, *, orgid: int, mid: int, recipients: Iterable[int | Mapping[str, object]]
    ) -> list[BulkAnswer]:
        """See `TriggerClient.dry_run`."""
        return self._run(self._client.dry_run(orgid=orgid, mid=mid, recipients=recipients))

    def submit(
        self,
        call: TriggerCall,
        *,
        orgid: int,
        mid: int,
        request_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> dict[int, Result]:
        """See `TriggerClient.submit`."""
        return self._run(
            self._client.submit(
                call, orgid=orgid, mid=mid, request_id=request_id, idempotency_key=idempotency_key
            )
        )

    def trigger_many(
        self,
        *,
        orgid: int,
        mid: int,
        recipients: Iterable[int | Mapping[str, object]],
        request_id: str | None = None,
    ) -> Iterator[BulkAnswer]:
        """See `TriggerClient.trigger_many`; *recipients* is read on the client's own thread."""
        blocks = self._client.trigger_blocks(
            orgid=orgid, mid=mid, recipients=recipients, request_id=request_id
        )
        try:
            while (block := self._run(_next(blocks))) is not None:
                yield from block
        finally:
            self._run(_close(blocks))

    def post(
        self,
        *,
        orgid: int,
        mid: int,
        recipients: Iterable[int | Mapping[str, object]],
        request_id: str | None = None,
    ) -> None:
        """See `TriggerClient.post`."""
        self._run(
            self._client.post(orgid=orgid, mid=mid, recipients=recipients, request_id=request_id)
        )

    def define(
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
        """See `TriggerClient.define`."""
        return self._run(
            self._client.define(
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
        )

    def suspend(self, orgid: int, mid: int) -> MailingView:
        """See `TriggerClient.suspend`."""
        return self._run(self._client.suspend(orgid, mid))

    def resume(self, orgid: int, mid: int) -> MailingView:
        """See `TriggerClient.resume`."""
        return self._run(self._client.resume(orgid, mid))

    def cancel(self, orgid: int, mid: int) -> MailingView:
        """See `TriggerClient.cancel`."""
        return self._run(self._client.cancel(orgid, mid))

    def finish(self, orgid: int, mid: int) -> MailingView:
        """See `TriggerClient.finish`."""
        return self._run(self._client.finish(orgid, mid))

    def pending(
        self, orgid: int, mid: int, *, after: Place = FIRST, limit: int = MAX_PAGE
    ) -> PendingPage:
        """See `TriggerClient.pending`."""
        return self._run(self._client.pending(orgid, mid, after=after, limit=limit))

    def invoke(self, orgid: int, mid: int) -> Invocation:
        """See `TriggerClient.invoke`."""
        return self._run(self._client.invoke(orgid, mid))

    def mailing(self, orgid: int, mid: int) -> MailingView:
        """See `TriggerClient.mailing`."""
        return self._run(self._client.mailing(orgid, mid))

    def mailings(self, orgid: int, after_mid: int = 0, limit: int = MAX_PAGE) -> list[MailingView]:
        """See `TriggerClient.mailings`."""
        return self._run(self._client.mailings(orgid, after_mid, limit))

    def recipient(
        self, orgid: int, *, rid: int | None = None, email: str | None = None
    ) -> RecipientView:
        """See `TriggerClient.recipient`."""
        return self._run(self._client.recipient(orgid, rid=rid, email=email))

    def change_recipient(
        self,
        orgid: int,
        fields: Mapping[str, object],
        *,
        rid: int | None = None,
        email: str | None = None,
    ) -> RecipientView:
        """See `TriggerClient.change_recipient`."""
        return self._run(self._client.change_recipient(orgid, fields, rid=rid, email=email))

    def erase_recipient(
        self, orgid: int, *, rid: int | None = None, email: str | None = None
    ) -> Erasure:
        """See `TriggerClient.erase_recipient`."""
        return self._run(self._client.erase_recipient(orgid, rid=rid, email=email))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            # Ctrl-C in the waiting thread ends the work too.
            future.cancel()
            raise

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _next(blocks: Any) -> list[BulkAnswer] | None:
    return await anext(blocks, None)


async def _close(blocks: Any) -> None:
    await blocks.aclose()
