"""Who may come in at all: credentials, or, without any, this machine alone."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from producers.bridge.credentials import ANYONE, User
from producers.bridge.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from producers.bridge.auth import Authenticator

# What a load balancer and a reader of the documentation need, and no one's data.
OPEN_PATHS = ("/healthz", "/readyz", "/openapi.json", "/docs")


class Gate:
    """Middleware: finds out who calls, before anything else is looked at.

    Without an *authenticator* everybody on this machine is welcome; *local_only* then turns away
    a Host that is not this machine: a page in somebody's browser can point a name of its own here.
    """

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        *,
        authenticator: Authenticator | None,
        local_only: bool,
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._local_only = local_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            scope["user"] = await self._user(Headers(scope=scope), scope["path"])
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _user(self, headers: Headers, path: str) -> User:
        if self._local_only and not _is_this_machine(headers.get("host", "")):
            raise Problem(
                403,
                "FOREIGN_HOST",
                "without credentials this bridge answers only as localhost or a loopback address",
            )
        if self._authenticator is None or path in OPEN_PATHS or path.startswith("/docs/"):
            return ANYONE
        return await self._authenticator.user(headers.get("authorization"))


def authorize(request: Request, orgid: int) -> None:
    """Refuse a call from another site's page, or for an organisation that is not the user's."""
    if _from_elsewhere(request.headers):
        raise Problem(403, "CROSS_SITE", "a page of another site may not make this call")
    user: User = request.scope["user"]
    if not user.may(orgid):
        raise Problem(403, "FORBIDDEN", f"organisation {orgid} is not yours")


def is_loopback(host: str | None) -> bool:
    """Return whether *host* can only be this machine."""
    if host is None:
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


@lru_cache(maxsize=64)  # nearly all calls have the same one: 0.1 us against 10 us
def _is_this_machine(host: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host}").hostname)
    except ValueError:
        return False


def _from_elsewhere(headers: Headers) -> bool:
    # A browser sends the credentials it knows along with anybody's request, and a form needs no
    # leave to send one. Only browsers send these two headers.
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")
