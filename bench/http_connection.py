"""One persistent HTTP/1.1 connection that knows as much of the protocol as a load needs."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable

LOST = 0  # in place of a status: the connection ended before its answer

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_RETRY_AFTER = re.compile(rb"\r\nretry-after: *\d", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """Sends one request at a time; *on_answer* is told (connection, status, head, body)."""

    def __init__(self, on_answer: Callable[[Connection, int, bytes, bytes], None]) -> None:
        self._on_answer = on_answer
        self._transport: asyncio.Transport | None = None
        self._got = b""
        self._pieces: list[bytes] = []
        self._missing = 0
        self._waiting = False
        self.open = False
        # The caller's own, about the request on its way.
        self.intended = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self.open = True

    def send(self, request: bytes, *, intended: float) -> None:
        """Send *request*; the connection must not be waiting for another's answer."""
        assert self._transport is not None
        self.intended = intended
        self._waiting = True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._missing > 0:
            self._pieces.append(data)
            self._missing -= len(data)
        else:
            self._got += data
            end = self._got.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(self._got, 0, end + 2)
            assert length is not None, self._got[:200]
            self._pieces = [self._got]
            self._missing = end + 4 + int(length[1]) - len(self._got)
        if self._missing <= 0:
            whole = b"".join(self._pieces)
            self._got, self._pieces, self._waiting = b"", [], False
            head, _, body = whole.partition(b"\r\n\r\n")
            self._on_answer(self, int(head[9:12]), head, body)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.open = False
        if self._waiting:
            self._waiting = False
            self._on_answer(self, LOST, b"", b"")

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def says_when_to_retry(head: bytes) -> bool:
    """Whether an answer's *head* has a Retry-After."""
    return _RETRY_AFTER.search(head) is not None
