"""The call this system exists for."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from producers.bridge.gate import authorize
from producers.bridge.limits import read_body
from producers.bridge.pace import Pace
from producers.bridge.problems import Problem, TooBusy
from producers.bridge.telling import Told, later, response_to
from producers.contract.answers import answer
from producers.contract.idempotency import read_key
from producers.contract.media import kind_of
from producers.contract.parameters import read_parameters
from producers.contract.preferences import read_preferences
from producers.contract.recipients import read_call
from schemas.topics import KIB

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from producers.bridge.limits import Admission
    from producers.bridge.metrics import Metrics
    from producers.bridge.ports import Client
    from producers.bridge.readiness import Readiness
    from producers.contract.entries import TriggerCall
    from producers.contract.formats import AnswerFormat
    from producers.contract.preferences import Preferences
    from producers.contract.receipts import AnswerPlace, Receipt
    from schemas.records import Outcome

# Longer bodies are read in a thread, one at a time: it holds back the loop for a few milliseconds
# now and then (the interpreter's switch interval) rather than for as long as the body takes.
IN_PLACE_BYTES = 32 * KIB
# What became of more entries than these is written there too: some 3 us each.
IN_PLACE_ENTRIES = 1000


class Trigger:
    """Handles trigger calls."""

    def __init__(
        self, client: Client, admission: Admission, readiness: Readiness, metrics: Metrics
    ) -> None:
        self._client = client
        self._admission = admission
        self._readiness = readiness
        self._metrics = metrics
        self._reader = ThreadPoolExecutor(1, "read-call")
        self._pace = Pace()

    async def trigger(self, request: Request, *, suffix: str | None) -> Response:
        """Answer one call; the checks come in the order that the contract gives them."""
        parameters = read_parameters(query_of(request), suffix=suffix)
        orgid, mid = parameters.orgid, parameters.mid
        authorize(request, orgid)
        preferences = read_preferences(request.headers.getlist("prefer"))
        key = read_key(request.headers.getlist("idempotency-key"))
        content_type = request.headers.get("content-type")
        kind_of(content_type)
        refuse_compressed(request)
        try:
            with self._admission.ticket() as ticket:
                body = await read_body(request, ticket, self._admission.limits)
                call = await self._read(body, content_type)
                ticket.take_entries(call.size)
                if parameters.dry_run:
                    told = await self._dry_run(call, orgid, mid)
                    return await self._response(told, parameters.format, preferences)
                place = self._client.place(orgid)
                if preferences.respond_async:
                    receipt = self._client.receipt(call, place)
                    if receipt.expected:
                        ticket.unanswered()
                        await self._client.hand_over(
                            call, orgid=orgid, mid=mid, place=place, idempotency_key=key
                        )
                        return self._later(call, receipt)
                told = await self._submit(call, orgid, mid, place, key)
        except TooBusy:
            await asyncio.sleep(self._pace.wait_s(time.monotonic()))
            raise
        added = sum(rid is not None for rid in told.answer.ids)
        self._metrics.entries(added, call.size - added)
        return await self._response(told, parameters.format, preferences)

    async def _response(
        self, told: Told, answer_format: AnswerFormat, preferences: Preferences
    ) -> Response:
        if (preferences.outcomes or told.dry_run) and told.call.size > IN_PLACE_ENTRIES:
            return await asyncio.get_running_loop().run_in_executor(
                self._reader, response_to, told, answer_format, preferences
            )
        return response_to(told, answer_format, preferences)

    def _later(self, call: TriggerCall, receipt: Receipt) -> Response:
        self._metrics.entries(0, receipt.size - receipt.expected)
        return later(receipt, errors=call.errors, applied=True)

    async def _read(self, body: bytes, content_type: str | None) -> TriggerCall:
        if len(body) <= IN_PLACE_BYTES:
            return read_call(body, content_type=content_type)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._reader, lambda: read_call(body, content_type=content_type)
        )

    async def _submit(
        self, call: TriggerCall, orgid: int, mid: int, place: AnswerPlace, key: str | None
    ) -> Told:
        if not call.entries:
            # Nothing to produce, yet an unknown mailing comes before what is wrong with entries.
            await self._client.mailing(orgid, mid)
            return Told(call, {}, answer(call, {}))
        results = await self._client.submit(
            call, orgid=orgid, mid=mid, request_id=place.request_id, idempotency_key=key
        )
        given = answer(call, results)
        if len(results) == len(call.entries):
            self._readiness.answered()
            return Told(call, results, given)
        return Told(call, results, given, self._client.receipt(call, place))

    async def _dry_run(self, call: TriggerCall, orgid: int, mid: int) -> Told:
        results: Mapping[int, tuple[Outcome, int]] = {}
        if call.entries:
            results = await self._client.submit_dry_run(call, orgid=orgid, mid=mid)
        else:
            await self._client.mailing(orgid, mid)
        return Told(call, results, answer(call, results), dry_run=True)

    def close(self) -> None:
        """Let the reading thread end."""
        self._reader.shutdown(wait=False, cancel_futures=True)


def query_of(request: Request) -> str:
    """Return the raw query; what is no UTF-8 in it is unacceptable further on."""
    query: bytes = request.scope["query_string"]
    return query.decode(errors="replace")


def refuse_compressed(request: Request) -> None:
    """Refuse a compressed body: a small one could unpack to anything."""
    coding = request.headers.get("content-encoding", "identity")
    if coding.strip().lower() != "identity":
        detail = f"compressed bodies are not accepted ({coding[:40]})"
        raise Problem(415, "UNSUPPORTED_ENCODING", detail)
