"""A bridge on a real port, in a thread of its own, over a client that stands in for the log."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import uvloop

from producers.bridge.app import create_app
from producers.bridge.server import server_of
from producers.bridge.settings import BridgeSettings
from producers.contract.entries import KnownEntry
from producers.contract.receipts import AnswerPlace, Receipt, request_id_of
from producers.control import Invocation, MailingView, PendingPage
from producers.erasing import Erasure, Remains
from producers.errors import ControlRefused, UnknownMailing, UnknownRecipient
from producers.mailing_statistics import StatisticsTable
from producers.recall import Recalled
from producers.settings import ClientSettings
from schemas.ids import identity
from schemas.records import (
    API_TRIGGERED,
    Channel,
    ControlOutcome,
    DedupPolicy,
    MailingPhase,
    Outcome,
    Status,
    UnknownRecipients,
)
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import uvicorn

    from producers.contract.changes import Change
    from producers.contract.entries import Entry, TriggerCall
    from producers.control import Place
    from producers.recipients import RecipientView

SEED_BODY = b'[{email: "user@domain.com", firstname: "John", lastname: "Doe", context: "XYZ-123"}]'
TRIGGER = "/v3.7/mailing/trigger?orgid=2&mid=1"
GOOD = b'[{"email":"good@example.com"}]'


def mailing(orgid: int, mid: int) -> MailingView:
    """Return a mailing as it is when it has just been defined."""
    return MailingView(
        orgid=orgid,
        mid=mid,
        name="Example Mailing",
        type=API_TRIGGERED,
        dedup=DedupPolicy.RECIPIENT_CONTEXT,
        interval_s=15,
        state=MailingPhase.ACTIVE,
        revision=1,
        triggered=0,
        created=0,
        known=0,
        duplicates=0,
        suppressed=0,
        rejected=0,
        sent=0,
    )


@dataclass
class StandIn:
    """Answers like a log with workers behind it; *error* is raised instead, *late* is left out."""

    known: dict[tuple[int, int], MailingView] = field(
        default_factory=lambda: {(2, 1): mailing(2, 1)}
    )
    rids: dict[tuple[int, str], int] = field(default_factory=dict)
    error: Exception | None = None
    late: frozenset[int] = frozenset()
    calls: list[TriggerCall] = field(default_factory=list)
    stored: dict[int, RecipientView] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    found: Recalled = field(default_factory=Recalled)
    asked: list[Receipt] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    tried: list[TriggerCall] = field(default_factory=list)
    probes: int = 0
    hold: bool = False
    _go: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop | None = None

    async def submit(
        self,
        call: TriggerCall,
        *,
        orgid: int,
        mid: int,
        request_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> dict[int, tuple[Outcome, int]]:
        self.calls.append(call)
        self.keys.append(idempotency_key)
        await self._held()
        if self.error is not None:
            raise self.error
        return {
            entry.index: self._result(orgid, mid, entry)
            for entry in call.entries
            if entry.index not in self.late
        }

    async def submit_dry_run(
        self, call: TriggerCall, *, orgid: int, mid: int
    ) -> dict[int, tuple[Outcome, int]]:
        self.tried.append(call)
        if self.error is not None:
            raise self.error
        rids = dict(self.rids)
        results = {
            entry.index: self._result(orgid, mid, entry)
            for entry in call.entries
            if entry.index not in self.late
        }
        known, self.rids = set(rids.values()), rids
        return {at: (out, rid if rid in known else 0) for at, (out, rid) in results.items()}

    def place(self, orgid: int) -> AnswerPlace:
        return AnswerPlace(request_id_of(orgid, "0123456789abcdef", len(self.calls)), 3, 70)

    def receipt(self, call: TriggerCall, place: AnswerPlace) -> Receipt:
        return Receipt(place, len(call.entries), call.size)

    async def hand_over(
        self,
        call: TriggerCall,
        *,
        orgid: int,
        mid: int,
        place: AnswerPlace,
        idempotency_key: str | None = None,
    ) -> None:
        await self.submit(call, orgid=orgid, mid=mid, idempotency_key=idempotency_key)

    async def recall(self, receipt: Receipt) -> Recalled:
        self.asked.append(receipt)
        return self.found

    async def _held(self) -> None:
        if self.hold:
            self._loop = asyncio.get_running_loop()
            await self._go.wait()

    def _result(self, orgid: int, mid: int, entry: Entry) -> tuple[Outcome, int]:
        if (orgid, mid) not in self.known:
            return Outcome.UNKNOWN_MAILING, 0
        if isinstance(entry, KnownEntry):
            found = entry.rid in self.rids.values()
            return (Outcome.KNOWN, entry.rid) if found else (Outcome.UNKNOWN_RECIPIENT, 0)
        rid = self.rids.setdefault((orgid, identity(entry.email)), 1024 * (len(self.rids) + 1))
        return Outcome.CREATED, rid

    def forget(self) -> None:
        """Be as new."""
        self.__init__()  # type: ignore[misc]

    def release(self) -> None:
        """Let the calls that are held go on."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._go.set)

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
    ) -> MailingView:
        if self.error is not None:
            raise self.error
        self.known[orgid, mid] = replace(
            mailing(orgid, mid),
            name=name,
            type=type,
            dedup=dedup,
            interval_s=interval_s,
            channels=tuple(channels),
            unknown_recipients=unknown_recipients,
            hourly_cap=hourly_cap,
            state=state or MailingPhase.ACTIVE,
        )
        return self.known[orgid, mid]

    async def suspend(self, orgid: int, mid: int) -> MailingView:
        return await self._switch(orgid, mid, MailingPhase.SUSPENDED)

    async def resume(self, orgid: int, mid: int) -> MailingView:
        return await self._switch(orgid, mid, MailingPhase.ACTIVE)

    async def cancel(self, orgid: int, mid: int) -> MailingView:
        return await self._switch(orgid, mid, MailingPhase.CANCELLED)

    async def finish(self, orgid: int, mid: int) -> MailingView:
        return await self._switch(orgid, mid, MailingPhase.FINISHED)

    async def _switch(self, orgid: int, mid: int, wanted: MailingPhase) -> MailingView:
        now = (await self.mailing(orgid, mid)).state
        if now in {MailingPhase.CANCELLED, MailingPhase.FINISHED} and now is not wanted:
            raise ControlRefused(ControlOutcome.WRONG_STATE, orgid=orgid, mid=mid, state=now)
        self.known[orgid, mid] = replace(self.known[orgid, mid], state=wanted)
        return self.known[orgid, mid]

    async def pending(self, orgid: int, mid: int, *, after: Place, limit: int) -> PendingPage:
        await self.mailing(orgid, mid)
        partition, offset = after
        rids = sorted(self.rids.values())[offset + 1 :][:limit]
        last = offset + len(rids)
        return PendingPage(tuple(rids), (partition, last) if len(rids) == limit else None)

    async def invoke(self, orgid: int, mid: int) -> Invocation:
        await self.mailing(orgid, mid)
        return Invocation(revision=2, messages=len(self.rids))

    async def mailing(self, orgid: int, mid: int) -> MailingView:
        if self.error is not None:
            raise self.error
        if (orgid, mid) not in self.known:
            raise UnknownMailing(orgid=orgid, mid=mid)
        return self.known[orgid, mid]

    async def recipient(self, orgid: int, *, rid: int | None, email: str | None) -> RecipientView:
        if self.error is not None:
            raise self.error
        for view in self.stored.values():
            if view.orgid == orgid and (view.rid == rid or view.email == email):
                return view
        raise UnknownRecipient(orgid=orgid)

    async def erase_recipient(self, orgid: int, *, rid: int | None, email: str | None) -> Erasure:
        view = await self.recipient(orgid, rid=rid, email=email)
        del self.stored[view.rid]
        at = datetime(2026, 11, 26, 9, 0, 0, 500_000, tzinfo=UTC)
        remains = (
            Remains("mailing.recipients", at + timedelta(days=30)),
            Remains("mailing.state", None),
        )
        return Erasure(orgid, view.rid, at, remains)

    async def submit_change(self, orgid: int, change: Change) -> RecipientView:
        self.changes.append(change)
        view = await self.recipient(orgid, rid=change.who.rid, email=change.who.email)
        status = view.status if change.status is None else Status(change.status)
        self.stored[view.rid] = replace(
            view, status=status, profile={**view.profile, **change.profile}
        )
        return self.stored[view.rid]

    async def mailings(self, orgid: int, after_mid: int, limit: int) -> list[MailingView]:
        self.probes += 1
        await self._held()
        if self.error is not None:
            raise self.error
        return [view for (org, _), view in self.known.items() if org == orgid][:limit]


@dataclass
class Bridge:
    """A running bridge: where it is, what it asks, and the server to stop."""

    port: int
    client: StandIn
    server: uvicorn.Server
    http: httpx.Client
    thread: threading.Thread

    def good_call(self) -> None:
        """Fail unless a good call gets its ID."""
        answer = self.http.put(TRIGGER, content=GOOD)
        assert answer.status_code == 200, answer.text
        assert len(answer.json()) == 1


def settings(**changes: object) -> BridgeSettings:
    """Return settings of a bridge whose log nobody will ask for."""
    return BridgeSettings(client=ClientSettings("localhost:1"), **changes)  # type: ignore[arg-type]


@contextmanager
def running(
    client: StandIn | None = None, *, statistics: StatisticsTable | None = None, **changes: object
) -> Iterator[Bridge]:
    """Run a bridge on a free port until the block ends."""
    statistics = statistics or StatisticsTable()
    client = client or StandIn()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port: int = listener.getsockname()[1]
        server = server_of(create_app(client, statistics, settings(**changes)))
        thread = threading.Thread(
            target=lambda: asyncio.Runner(loop_factory=uvloop.new_event_loop).run(
                server.serve(sockets=[listener])
            ),
        )
        thread.start()
        eventually(lambda: server.started)
        base = f"http://127.0.0.1:{port}"
        try:
            with httpx.Client(base_url=base, trust_env=False, timeout=60) as http:
                yield Bridge(port, client, server, http, thread)
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()
