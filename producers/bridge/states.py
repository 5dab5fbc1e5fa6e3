"""The life of mailings: suspended, resumed, cancelled, finished."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from producers.bridge.failures import as_problem
from producers.bridge.gate import authorize
from producers.bridge.mailings import answered, described, now_ms
from producers.bridge.problems import Problem
from producers.bridge.trigger import query_of
from producers.contract.mailing_calls import read_closing, read_suspend
from producers.errors import ClientError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from producers.bridge.limits import Admission
    from producers.bridge.ports import Client
    from producers.control import MailingView


class States:
    """Handles the calls that bring mailings into another state."""

    def __init__(self, client: Client, admission: Admission) -> None:
        self._client = client
        self._admission = admission

    async def suspend(self, request: Request) -> Response:
        """Suspend the mailing, or resume it; answer it as it is now."""
        call = read_suspend(query_of(request))
        authorize(request, call.orgid)
        step = self._client.suspend if call.suspend else self._client.resume
        with self._admission.ticket():
            as_of_ms = now_ms()
            view = await step(call.orgid, call.mid)
        return answered(described(view, as_of_ms))

    async def cancel(self, request: Request) -> Response:
        """Cancel mailings; answer what became of each."""
        return await self._close(request, self._client.cancel)

    async def finish(self, request: Request) -> Response:
        """Finish mailings; answer what became of each."""
        return await self._close(request, self._client.finish)

    async def _close(
        self, request: Request, step: Callable[[int, int], Awaitable[MailingView]]
    ) -> Response:
        call = read_closing(query_of(request))
        authorize(request, call.orgid)
        with self._admission.ticket():
            became = await asyncio.gather(*(_one(step, call.orgid, mid) for mid in call.mids))
        status = max(each["status"] for each in became)
        if status == 200:
            return answered(became)
        bad = next(each for each in became if each["status"] == status)
        detail = f"mailing {bad['mid']}: {bad['detail']}"
        members: dict[str, object] = {"mailings": became}
        if len(became) == 1 and "state" in bad:
            members["state"] = bad["state"]
        raise Problem(status, bad["code"], detail, members=members)


async def _one(
    step: Callable[[int, int], Awaitable[MailingView]], orgid: int, mid: int
) -> dict[str, Any]:
    """Take the step with one mailing; what stops it is its own, and the others go on."""
    try:
        view = await step(orgid, mid)
    except ClientError as exc:
        problem = as_problem(exc)
        why = {"code": problem.code, "detail": problem.detail} | problem.members
        return {"mid": mid, "status": problem.status} | why
    return {"mid": mid, "status": 200, "state": view.state.lower(), "pending": view.pending}
