"""Verbs of a path, and nothing else: what is not offered is a 405 that says what is."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from producers.bridge.failures import refusal
from producers.bridge.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import Message, Receive, Scope, Send

    from producers.bridge.metrics import Metrics

    Handler = Callable[[Request], Awaitable[Response]]


class Resource:
    """One path: a handler a verb. No HEAD: an answer without its problems helps nobody."""

    def __init__(self, handlers: Mapping[str, Handler], *, route: str) -> None:
        self.handlers = handlers
        self.route = route
        self.allow = {"Allow": ", ".join((*handlers, "OPTIONS"))}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["mailing_trigger.route"] = self.route
        try:
            response = await self._answer(Request(scope, receive))
        except Exception as exc:  # noqa: BLE001 - the border: `refusal` logs what nobody foresaw
            response = refusal(exc)
        except asyncio.CancelledError:
            # Only the server cancels, when it has waited long enough for the last calls.
            detail = "the bridge is stopping; some of the call may have been added"
            response = Problem(503, "STOPPING", detail).response()
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        handler = self.handlers.get(request.method)
        if handler is not None:
            return await handler(request)
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=self.allow)
        detail = f"{request.method} is not offered here, only {self.allow['Allow']}"
        raise Problem(405, "METHOD_NOT_ALLOWED", detail, headers=self.allow)


class Measured:
    """Middleware: counts and times every answer under the route that gave it."""

    def __init__(self, app: Callable[..., Awaitable[None]], *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        since = time.monotonic()
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            route = scope.get("mailing_trigger.route", "none")
            self._metrics.answered(route, status, since)
