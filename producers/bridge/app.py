"""The bridge as an ASGI application: which path, which verb, which handler."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from producers.bridge import documentation
from producers.bridge.answers import Answers
from producers.bridge.auth import Authenticator
from producers.bridge.credentials import CredentialsFile
from producers.bridge.failures import not_found
from producers.bridge.gate import Gate
from producers.bridge.limits import Admission
from producers.bridge.listing import BalanceMetric, Listing
from producers.bridge.mailings import Mailings
from producers.bridge.metrics import Metrics
from producers.bridge.readiness import Readiness
from producers.bridge.recipients import Recipients
from producers.bridge.resources import Measured, Resource
from producers.bridge.states import States
from producers.bridge.telling import ADDRESS
from producers.bridge.trigger import Trigger
from producers.contract.formats import AnswerFormat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from producers.bridge.ports import Client
    from producers.bridge.resources import Handler
    from producers.bridge.settings import BridgeSettings
    from producers.mailing_statistics import StatisticsTable

VERSIONS = ("v3.7", "v3.5", "v1.0")


class Application(Starlette):
    """Starlette, but for its router and its own middleware.

    A dictionary finds a path's resource, by the whole path or by what is before its last name; a
    path with a slash more is another one, for a redirect would make a caller lose its body.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        around: Callable[[ASGIApp], ASGIApp],
        lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]],
    ) -> None:
        super().__init__(routes=routes, lifespan=lifespan)
        self._resources = {route.path: route.app for route in routes}
        # Those whose last name may be any: `/{like_this}`.
        self._below = {
            path.partition("{")[0]: app for path, app in self._resources.items() if "{" in path
        }
        self._http = around(self._dispatch)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        resource = self._resources.get(path)
        if resource is None:
            above = path[: path.rfind("/") + 1]
            resource = self._below.get(above, not_found) if above != path else not_found
        await resource(scope, receive, send)


def create_app(
    client: Client, statistics: StatisticsTable, settings: BridgeSettings
) -> Application:
    """Return the application that answers with *client*, which is open and stays its owner's."""
    admission = Admission(settings.limits)
    metrics = Metrics(admission)
    readiness = Readiness(client)
    trigger = Trigger(client, admission, readiness, metrics)
    answers = Answers(client, admission)
    mailings = Mailings(client, admission)
    recipients = Recipients(client, admission)
    listing = Listing(statistics, admission)
    metrics.registry.register(BalanceMetric(statistics))
    authenticator = (
        Authenticator(CredentialsFile(settings.credentials)) if settings.credentials else None
    )

    async def healthz(_: Request) -> Response:
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def readyz(_: Request) -> Response:
        await readiness.check()
        return Response(b'{"status":"ready"}', media_type="application/json")

    async def exposition(_: Request) -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        trigger.close()
        readiness.close()

    routes = [
        *_trigger_routes(trigger),
        _route(f"{ADDRESS}{{receipt}}", {"GET": answers.read}),
        _route("/v3.7/mailing", {"GET": mailings.read, "PUT": mailings.define}),
        _route("/v3.7/mailing/invoke", {"POST": mailings.invoke}),
        _route("/v3.7/mailing/pending", {"GET": mailings.pending}),
        *_state_routes(States(client, admission)),
        _route("/v3.7/recipient", recipients.verbs()),
        *_list_routes(listing),
        _route("/healthz", {"GET": healthz}),
        _route("/readyz", {"GET": readyz}),
        _route("/metrics", {"GET": exposition}),
        _route("/openapi.json", {"GET": documentation.openapi}),
        _route("/docs", {"GET": documentation.page}),
        _route("/docs/page.js", {"GET": documentation.script}),
        *(
            _route(f"/docs/{name}", {"GET": documentation.bundled(name)})
            for name in documentation.BUNDLED
        ),
    ]

    def around(inner: ASGIApp) -> ASGIApp:
        gate = Gate(inner, authenticator=authenticator, local_only=settings.local_only)
        return Measured(gate, metrics=metrics)

    return Application(routes, around, lifespan)


def _trigger_routes(trigger: Trigger) -> list[Route]:
    return [
        _route(
            f"/{version}/mailing/trigger{'.' + suffix if suffix else ''}",
            dict.fromkeys(("PUT", "POST"), partial(trigger.trigger, suffix=suffix)),
            name="/v3.7/mailing/trigger",
        )
        for suffix in (None, *(str(answer_format) for answer_format in AnswerFormat))
        for version in VERSIONS
    ]


def _state_routes(states: States) -> list[Route]:
    steps = {"suspend": states.suspend, "cancel": states.cancel, "finish": states.finish}
    return [
        _route(
            f"/{version}/mailing/{name}",
            {"PUT": handler},
            name=f"/v3.7/mailing/{name}",
        )
        for version in VERSIONS[:2]
        for name, handler in steps.items()
    ]


def _list_routes(listing: Listing) -> list[Route]:
    return [
        _route(
            f"/v3.7/mailing/list{'.' + suffix if suffix else ''}",
            {"GET": partial(listing.list, suffix=suffix)},
            name="/v3.7/mailing/list",
        )
        for suffix in (None, *map(str, AnswerFormat))
    ]


def _route(path: str, handlers: dict[str, Handler], *, name: str | None = None) -> Route:
    return Route(path, Resource(handlers, route=name or path))
