"""Mailings: define one, read it, invoke it, see who waits in it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

from producers.bridge.definition import DEDUP_NAMES, read_definition
from producers.bridge.gate import authorize
from producers.bridge.limits import read_body
from producers.bridge.trigger import query_of, refuse_compressed
from producers.contract.errors import Code, ContractError
from producers.contract.formats import AnswerFormat
from producers.contract.mailing_calls import place_name, read_pending
from producers.contract.media import Kind, kind_of
from producers.contract.parameters import CallParameters, read_parameters
from schemas.moments import iso_text

if TYPE_CHECKING:
    from starlette.requests import Request

    from producers.bridge.limits import Admission
    from producers.bridge.ports import Client
    from producers.control import MailingView


class Mailings:
    """Handles everything about mailings but triggers."""

    def __init__(self, client: Client, admission: Admission) -> None:
        self._client = client
        self._admission = admission

    async def define(self, request: Request) -> Response:
        """Create the mailing or change its definition; answer it as it is now."""
        parameters = _admitted(request)
        if kind_of(request.headers.get("content-type")) is not Kind.JSON:
            detail = f"a mailing is defined in {Kind.JSON.value}"
            raise ContractError(415, Code.UNSUPPORTED_TYPE, detail)
        refuse_compressed(request)
        with self._admission.ticket() as ticket:
            as_of_ms = now_ms()
            wanted = read_definition(await read_body(request, ticket, self._admission.limits))
            view = await self._client.define(
                parameters.orgid,
                parameters.mid,
                name=wanted.name,
                type=wanted.type,
                dedup=wanted.dedup,
                interval_s=wanted.interval_s,
                channels=wanted.channels,
                unknown_recipients=wanted.unknown_recipients,
                hourly_cap=wanted.hourly_cap,
                state=wanted.state,
            )
        return answered(described(view, as_of_ms))

    async def read(self, request: Request) -> Response:
        """Answer the mailing with its counters, as of every call acknowledged before."""
        parameters = _admitted(request)
        with self._admission.ticket():
            as_of_ms = now_ms()
            view = await self._client.mailing(parameters.orgid, parameters.mid)
        return answered(described(view, as_of_ms))

    async def invoke(self, request: Request) -> Response:
        """Cut what is pending; answer how many messages that is."""
        parameters = _admitted(request)
        with self._admission.ticket():
            done = await self._client.invoke(parameters.orgid, parameters.mid)
        return answered({"revision": done.revision, "messages": done.messages})

    async def pending(self, request: Request) -> Response:
        """Answer a page of those who wait for the next invocation."""
        call = read_pending(query_of(request))
        authorize(request, call.orgid)
        with self._admission.ticket():
            page = await self._client.pending(
                call.orgid, call.mid, after=call.after, limit=call.limit
            )
        after = page.next and place_name(page.next)
        return answered({"rids": page.rids, "next": after})


def _admitted(request: Request) -> CallParameters:
    parameters = read_parameters(query_of(request))
    if parameters.format is not AnswerFormat.JSON:
        raise ContractError(400, Code.INVALID_PARAMETER, "a mailing is answered in json only")
    authorize(request, parameters.orgid)
    return parameters


def now_ms() -> int:
    """Return the time: what is asked for from now on sees everything that was answered before."""
    return time.time_ns() // 1_000_000


def described(view: MailingView, as_of_ms: int) -> dict[str, object]:
    """Return a mailing as answers have it, asked for at *as_of_ms* since 1970."""
    return {
        "orgid": view.orgid,
        "mid": view.mid,
        "name": view.name,
        "type": view.type,
        "dedup": DEDUP_NAMES[view.dedup],
        "interval": view.interval_s,
        "channels": [channel.lower() for channel in view.channels],
        "unknownRecipients": view.unknown_recipients.lower(),
        "hourlyCap": view.hourly_cap,
        "state": view.state.lower(),
        "revision": view.revision,
        "triggered": view.triggered,
        "created": view.created,
        "known": view.known,
        "duplicates": view.duplicates,
        "suppressed": view.suppressed,
        "rejected": view.rejected,
        "pending": view.pending,
        "sent": view.sent,
        "emails": view.emails,
        "sms": view.sms,
        "unreachable": view.unreachable,
        "asOf": iso_text(as_of_ms),
    }


def answered(document: object) -> Response:
    """Return *document* as an answer."""
    return Response(msgspec.json.encode(document), media_type="application/json")
