"""The bridge as an ASGI application: which path, which verb, which handler."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route

from producers.bridge import documentation
from producers.bridge.auth import Authenticator
from producers.bridge.credentials import CredentialsFile
from producers.bridge.failures import not_found
from producers.bridge.gate import Gate
from producers.bridge.limits import Admission
from producers.bridge.mailings import Mailings
from producers.bridge.metrics import Metrics
from producers.bridge.readiness import Readiness
from producers.bridge.resources import Measured, Resource
from producers.bridge.trigger import Trigger
from producers.contract.formats import AnswerFormat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from producers.bridge.ports import Client
    from producers.bridge.resources import Handler
    from producers.bridge.settings import BridgeSettings

VERSIONS = ("v3.7", "v3.5", "v1.0")


def create_app(client: Client, settings: BridgeSettings) -> Starlette:
    """Return the application that answers with *client*, which is open and stays its owner's."""
    admission = Admission(settings.limits)
    metrics = Metrics(admission)
    readiness = Readiness(client)
    trigger = Trigger(client, admission, readiness, metrics)
    mailings = Mailings(client, admission)
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
        _route("/v3.7/mailing", {"GET": mailings.read, "PUT": mailings.define}),
        _route("/v3.7/mailing/invoke", {"POST": mailings.invoke}),
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
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(Measured, metrics=metrics),
            Middleware(Gate, authenticator=authenticator, local_only=settings.local_only),
        ],
        exception_handlers={404: not_found},
        lifespan=lifespan,
    )
    # A path with a slash more is another path; a redirect would make a caller lose its body.
    app.router.redirect_slashes = False
    return app


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


def _route(path: str, handlers: dict[str, Handler], *, name: str | None = None) -> Route:
    return Route(path, Resource(handlers, route=name or path))
