"""Answers that are not 200: problem documents of RFC 9457, one shape for every refusal."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1

# Older names than those of the contract's status table stand in Python 3.11.
_TITLES = {499: "Client Closed Request", 413: "Content Too Large", 422: "Unprocessable Content"}


class Problem(Exception):
    """The call is refused; *members* stand beside the members that every problem has."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = dict(members or {})

    def response(self) -> Response:
        """Return the problem document; 429 and 503 say when to come back."""
        document = {
            "type": "about:blank",
            "title": _TITLES.get(self.status) or HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.members,
        }
        headers = {"Cache-Control": "no-store"} | self.headers
        if self.status in {429, 503}:
            headers.setdefault("Retry-After", str(RETRY_AFTER_S))
        return Response(msgspec.json.encode(document), self.status, headers, MEDIA_TYPE)


class TooBusy(Problem):
    """A call is one too many."""

    def __init__(self, what: str) -> None:
        super().__init__(429, "TOO_MANY_REQUESTS", f"{what}; try again in {RETRY_AFTER_S} s")
