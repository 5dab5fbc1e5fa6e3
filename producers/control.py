"""Define, switch, invoke and read mailings: requests that go through the log like all else."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from producers.contract.mailing_calls import FIRST
from producers.errors import ControlRefused, LogUnavailable, NotAcknowledged, UnknownMailing
from producers.events import check_mailing
from producers.exchange import unavailable
from producers.outgoing import Slice
from producers.waiting import Waiting
from schemas.caps import MAX_HOURLY_CAP
from schemas.ids import mailing_key
from schemas.partition import partition_for
from schemas.records import (
    API_TRIGGERED,
    MAILING_DEFINED,
    MAILING_INVOKED,
    MAILING_QUERIED,
    MAILING_SWITCHED,
    PENDING_QUERIED,
    Channel,
    ControlOutcome,
    DedupPolicy,
    MailingPhase,
    Origin,
    UnknownRecipients,
)
from schemas.topics import MAX_PAGE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from producers.exchange import Exchange
    from producers.log import Event

Answer = dict[str, Any]  # a MailingAnswer or PendingAnswer record

Place = tuple[int, int]
"""(partition, offset of a trigger event there)"""

DEFAULT_INTERVAL_S = 15
# The fold takes a definition beyond these for a malformed event, and nobody would be answered.
MAX_NAME_CHARS = 500
MAX_TYPE_CHARS = 50

_QUERIES = frozenset({MAILING_QUERIED, PENDING_QUERIED})
_COUNTERS = (
    "triggered",
    "created",
    "known",
    "duplicates",
    "suppressed",
    "rejected",
    "sent",
    "sms",
    "sms_only",
    "unreachable",
)


@dataclass(frozen=True, slots=True)
class MailingView:
    """A mailing as all partitions together know it; the counters are their sums.

    *created* and *known* count what became of entries that are no duplicates, *suppressed* those
    of them that are not mailed; *pending* ones wait for an invocation or for their turn after it.
    *sent* counts each message once; *emails* and *sms* are what went by each channel, and
    *unreachable* those for whom the mailing's channels had nothing.
    """

    orgid: int
    mid: int
    name: str
    type: str
    dedup: DedupPolicy
    interval_s: int
    state: MailingPhase
    revision: int
    triggered: int
    created: int
    known: int
    duplicates: int
    suppressed: int
    rejected: int
    sent: int
    sms: int = 0
    sms_only: int = 0
    unreachable: int = 0
    channels: tuple[Channel, ...] = (Channel.EMAIL,)
    unknown_recipients: UnknownRecipients = UnknownRecipients.CREATE
    hourly_cap: int = 0

    @property
    def pending(self) -> int:
        return self.created + self.known - self.suppressed - self.sent

    @property
    def emails(self) -> int:
        return self.sent - self.sms_only - self.unreachable


@dataclass(frozen=True, slots=True)
class Invocation:
    """An invocation by request: the revision it gave the mailing, the messages it cut."""

    revision: int
    messages: int


@dataclass(frozen=True, slots=True)
class PendingPage:
    """Who waits for a mailing's next invocation: *rids*, one a message, and where to go on.

    *next* is the place after which the next page begins; None: there is none.
    """

    rids: tuple[int, ...]
    next: Place | None


class Control:
    """Control calls over an exchange; every partition answers each of them."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

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
        """Create or change a mailing; ValueError when it cannot be one."""
        if not 1 <= len(name) <= MAX_NAME_CHARS:
            raise ValueError(f"a mailing's name has 1 to {MAX_NAME_CHARS} characters")
        if len(type) > MAX_TYPE_CHARS:
            raise ValueError(f"a mailing's type has at most {MAX_TYPE_CHARS} characters")
        if interval_s < 0:
            raise ValueError("interval_s starts at 0")
        if not 0 <= hourly_cap <= MAX_HOURLY_CAP:
            raise ValueError(f"a cap an hour is 1 to {MAX_HOURLY_CAP}, or 0 for none")
        if not channels:
            raise ValueError("a mailing has at least one channel")
        if state not in {None, MailingPhase.CREATED, MailingPhase.ACTIVE}:
            raise ValueError("a mailing is defined as CREATED or ACTIVE")
        definition = {
            "name": name,
            "type": type,
            "dedup": DedupPolicy(dedup).value,
            "interval_s": interval_s,
            "channels": sorted({Channel(channel).value for channel in channels}),
            "unknown_recipients": UnknownRecipients(unknown_recipients).value,
            "hourly_cap": hourly_cap,
            "state": state,
        }
        await self._request(MAILING_DEFINED, orgid, mid, definition)
        return await self._as_it_is_now(orgid, mid)

    async def switch(self, orgid: int, mid: int, state: MailingPhase) -> MailingView:
        """Bring a mailing into *state* in every partition, and return it as it is then.

        Doing it again is harmless. UnknownMailing, or ControlRefused when no way leads there.
        """
        await self._request(MAILING_SWITCHED, orgid, mid, {"state": state.value})
        return await self._as_it_is_now(orgid, mid)

    async def _as_it_is_now(self, orgid: int, mid: int) -> MailingView:
        """Return a mailing after a request: what fails now does not take that out of the log."""
        try:
            return await self.mailing(orgid, mid)
        except LogUnavailable as exc:
            raise LogUnavailable(str(exc), produced=True) from exc

    async def pending(
        self, orgid: int, mid: int, *, after: Place = FIRST, limit: int = MAX_PAGE
    ) -> PendingPage:
        """Return a page of those who wait for the next invocation; UnknownMailing.

        They come partition by partition, in each in the order of the log.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise ValueError(f"a page has 1 to {MAX_PAGE} messages")
        rids: list[int] = []
        partition, offset = after
        while partition < self._exchange.partitions:
            fields = {"after": offset, "limit": limit - len(rids)}
            asked = (PENDING_QUERIED, orgid, mid, fields, [partition])
            (answer,) = await self._ask(*asked, answering=[partition])
            _raise_refusal(answer, orgid, mid)
            messages = answer["messages"]
            rids += [message["rid"] for message in messages]
            if len(rids) == limit:
                return PendingPage(tuple(rids), (partition, messages[-1]["offset"]))
            partition, offset = partition + 1, -1
        return PendingPage(tuple(rids), None)

    async def invoke(self, orgid: int, mid: int) -> Invocation:
        """Mail what is pending; UnknownMailing or ControlRefused when that cannot be."""
        answers = await self._request(MAILING_INVOKED, orgid, mid, {"invocation": 0})
        return Invocation(
            revision=max(answer["revision"] for answer in answers),
            messages=sum(answer["messages"] for answer in answers),
        )

    async def mailing(self, orgid: int, mid: int) -> MailingView:
        """Return a mailing as it is after everything acknowledged before; UnknownMailing."""
        found = await self._query(orgid, mid=mid, after_mid=0, limit=1)
        if not found:
            raise UnknownMailing(orgid=orgid, mid=mid)
        return found[0]

    async def mailings(
        self, orgid: int, after_mid: int = 0, limit: int = MAX_PAGE
    ) -> list[MailingView]:
        """Return a page of an organisation's mailings in the order of their mid."""
        if not 1 <= limit <= MAX_PAGE:
            raise ValueError(f"a page has 1 to {MAX_PAGE} mailings")
        found = await self._query(orgid, mid=0, after_mid=after_mid, limit=limit)
        # Every partition gave its first *limit*: the first *limit* of all are complete.
        return found[:limit]

    async def _request(
        self, name: str, orgid: int, mid: int, fields: Mapping[str, object]
    ) -> list[Answer]:
        home = partition_for(mailing_key(orgid, mid), self._exchange.partitions)
        fields = {**fields, "origin": Origin.REQUEST.value, "revision": 0}
        answers = await self._ask(name, orgid, mid, fields, [home])
        for answer in answers:
            _raise_refusal(answer, orgid, mid)
        return answers

    async def _query(
        self, orgid: int, *, mid: int, after_mid: int, limit: int
    ) -> list[MailingView]:
        everywhere = range(self._exchange.partitions)
        fields = {"after_mid": after_mid, "limit": limit}
        answers = await self._ask(MAILING_QUERIED, orgid, mid, fields, everywhere)
        copies: dict[int, dict[int, dict[str, Any]]] = {}
        for answer in answers:
            for snapshot in answer["mailings"]:
                copies.setdefault(snapshot["mid"], {})[answer["index"]] = snapshot
        return [self._view(orgid, mid, copies[mid]) for mid in sorted(copies)]

    def _view(self, orgid: int, mid: int, copies: dict[int, dict[str, Any]]) -> MailingView:
        home = partition_for(mailing_key(orgid, mid), self._exchange.partitions)
        # All copies are equal, but the home's is there first.
        shown = copies.get(home) or next(iter(copies.values()))
        sums = {name: sum(copy[name] for copy in copies.values()) for name in _COUNTERS}
        return MailingView(
            orgid=orgid,
            mid=mid,
            name=shown["name"],
            type=shown["type"],
            dedup=DedupPolicy(shown["dedup"]),
            interval_s=shown["interval_s"],
            state=MailingPhase(shown["state"]),
            revision=shown["revision"],
            channels=tuple(map(Channel, shown["channels"])),
            unknown_recipients=UnknownRecipients(shown["unknown_recipients"]),
            hourly_cap=shown["hourly_cap"],
            **sums,
        )

    async def _ask(
        self,
        name: str,
        orgid: int,
        mid: int,
        fields: Mapping[str, object],
        to: Iterable[int],
        *,
        answering: Collection[int] = (),
    ) -> list[Answer]:
        """Produce an event to each partition of *to*, and return what each of *answering* answers.

        Every partition, unless some are named. A refusal of a request ends the wait: no other
        partition will hear of it.
        """
        # A query of mid 0 asks for a page.
        check_mailing(orgid, mid or 1 if name == MAILING_QUERIED else mid)
        exchange = self._exchange
        request_id = uuid.uuid4().hex
        key = mailing_key(orgid, mid)
        shared = {
            **fields,
            "orgid": orgid,
            "mid": mid,
            "request_id": request_id,
            "reply_partition": exchange.reply_partition,
        }
        batches: list[tuple[int, list[Event]]] = []
        for partition in to:
            value = exchange.codec.encode(name, {**shared, "index": partition})
            batches.append((partition, [(key, value)]))
        expected = answering or range(exchange.partitions)
        waiting: Waiting[Answer] = Waiting(expected, enough=None if name in _QUERIES else _refused)
        await exchange.run(request_id, waiting, [Slice(batches)])
        answers = list(waiting.answers.values())
        if waiting.undelivered:
            raise unavailable(waiting)
        if waiting.missing and not any(map(_refused, answers)):
            raise NotAcknowledged(answered=len(answers), expected=len(expected))
        return answers


def _raise_refusal(answer: Answer, orgid: int, mid: int) -> None:
    outcome = ControlOutcome[answer["outcome"]]
    if outcome is ControlOutcome.UNKNOWN_MAILING:
        raise UnknownMailing(orgid=orgid, mid=mid)
    if outcome is not ControlOutcome.DONE:
        shown = answer.get("mailings")
        state = MailingPhase(shown[0]["state"]) if shown else None
        raise ControlRefused(outcome, orgid=orgid, mid=mid, state=state)


def _refused(answer: Answer) -> bool:
    return bool(answer["outcome"] != ControlOutcome.DONE.name)
