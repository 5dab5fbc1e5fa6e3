"""The answers of calls whose callers did not wait for them, or not long enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from producers.bridge.gate import authorize
from producers.bridge.problems import Problem
from producers.bridge.telling import ADDRESS, Told, later, response_to
from producers.bridge.trigger import query_of
from producers.contract.answers import answer, recalled
from producers.contract.errors import Code
from producers.contract.parameters import read_format
from producers.contract.preferences import read_preferences
from producers.contract.receipts import read_receipt

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from producers.bridge.limits import Admission
    from producers.bridge.ports import Client


class Answers:
    """Handles the addresses that a 202 and a 504 name."""

    def __init__(self, client: Client, admission: Admission) -> None:
        self._client = client
        self._admission = admission

    async def read(self, request: Request) -> Response:
        """Answer as the call would have been, once all its entries are acknowledged."""
        receipt = read_receipt(request.scope["path"].removeprefix(ADDRESS))
        if receipt is None:
            raise _unknown()
        answer_format = read_format(query_of(request))
        authorize(request, receipt.orgid)
        preferences = read_preferences(request.headers.getlist("prefer"))
        with self._admission.ticket():
            found = await self._client.recall(receipt)
        if found.unknown:
            raise _unknown()
        if len(found.results) >= receipt.expected:
            call = recalled(receipt.size, found.results)
            told = Told(call, found.results, answer(call, found.results))
            return response_to(told, answer_format, preferences)
        if found.gone:
            detail = (
                "acknowledgements of that time are deleted, this call's among them or never given"
            )
            raise Problem(410, Code.ANSWER_EXPIRED, detail)
        # What has been read need not be read again.
        place = receipt.place._replace(offset=found.next_offset)
        return later(receipt._replace(place=place), acknowledged=len(found.results), applied=False)


def _unknown() -> Problem:
    return Problem(404, Code.UNKNOWN_CALL, "no call has this address")
