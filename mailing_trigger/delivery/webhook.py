"""A URL that takes each message as JSON."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from mailing_trigger.delivery.errors import Later, Refused, Unavailable
from mailing_trigger.delivery.settings import AT_ONCE
from schemas.records import Channel

if TYPE_CHECKING:
    from mailing_trigger.delivery.message import Content, Send

WITHIN_S = 30.0
# These say that the hook is not what it should be, whatever the message: login, path, overload.
_NOBODY = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


class HookOutlet:
    """Posts; a message is taken when the answer's status is 2xx.

    The header `Idempotency-Key` is the send's id, so a hook may drop what it has.
    """

    def __init__(
        self, url: str, *, token: str = "", transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._url = url
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.AsyncClient(
            headers=headers,
            timeout=WITHIN_S,
            limits=httpx.Limits(max_connections=AT_ONCE),
            transport=transport,
        )

    async def deliver(self, send: Send, content: Content) -> None:
        """Post a message."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": f'"{send.send_id}"'}
        try:
            answer = await self._http.post(
                self._url, content=body_of(send, content), headers=headers
            )
        except httpx.HTTPError as exc:
            raise Unavailable("HOOK_SILENT", type(exc).__name__) from exc
        if answer.is_success:
            return
        reason, said = f"HTTP_{answer.status_code}", answer.text[:200]
        if answer.status_code in _NOBODY or answer.is_redirect:
            raise Unavailable(reason, said)
        raise (Later if answer.is_server_error else Refused)(reason, said)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def body_of(send: Send, content: Content) -> bytes:
    """Return a message as a hook gets it; the context as the caller wrote it."""
    body: dict[str, Any] = {
        "send_id": send.send_id,
        "channel": send.channel,
        "orgid": send.orgid,
        "mid": send.mid,
        "invocation": send.invocation,
        "rid": send.rid,
    }
    if send.channel is Channel.SMS:
        body |= {"to": send.phone, "text": content.plain}
    else:
        bodies = {"html": content.html, "text": content.plain}
        body |= {"to": send.email, "name": send.name, "subject": content.subject}
        body |= {kind: text for kind, text in bodies.items() if text is not None}
    if send.context:
        body["context"] = _raw(send.context)
    return msgspec.json.encode(body)


def _raw(context: bytes) -> msgspec.Raw | str:
    try:
        msgspec.json.decode(context, type=msgspec.Raw)
    except msgspec.DecodeError:
        return context.decode("utf-8", "replace")
    return msgspec.Raw(context)
