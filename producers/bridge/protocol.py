"""uvicorn's HTTP protocol with the bounds that it leaves open: slow and endless heads and tails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from producers.bridge.limits import BODY_IS_HERE

if TYPE_CHECKING:
    from asyncio import TimerHandle, Transport

# From the connection, or the first byte of a later request, to the end of its headers.
HEAD_S = 10.0
# Counted from the second segment on; a segment is 256 KiB at most.
HEAD_BYTES = 64 * 1024
# A body may be refused before it has come. What still comes is dropped for this long, so that the
# caller, busy sending, gets to read why; closing at once would reset the connection instead.
TAIL_S = 10.0


class BoundedProtocol(HttpToolsProtocol):
    """One connection, which must bring a whole head in time and end what it began."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # uvicorn goes by the handlers of a logger, which is anybody's to give; its lines would
        # hold paths and queries.
        self.access_log = False
        self._deadline: TimerHandle | None = None
        self._in_head = False
        self._in_body = False
        self._head_bytes = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._close_after(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._keep_open()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        was_in_head = self._in_head
        super().data_received(data)
        if was_in_head and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        self._close_after(HEAD_S)

    def on_headers_complete(self) -> None:
        self._keep_open()
        self._in_head, self._in_body = False, True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()
        # Handlers begin when the segment has been read, so they see it when the body came with the
        # head.
        cast("dict[str, object]", self.scope)[BODY_IS_HERE] = True
        if self.cycle.response_complete:
            # The tail of a refused body: uvicorn has stopped its own timer for this connection.
            self._close_after(self.timeout_keep_alive)

    def on_response_complete(self) -> None:
        if self._in_body:
            self._close_after(TAIL_S)
        super().on_response_complete()

    def _close_after(self, seconds: float) -> None:
        self._keep_open()
        self._deadline = self.loop.call_later(seconds, self.transport.close)

    def _keep_open(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
