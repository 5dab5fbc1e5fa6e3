"""The bridge as a process: bind, connect, run under uvicorn, end within five seconds."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn
import uvloop

from producers.bridge.app import create_app
from producers.bridge.errors import BridgeError
from producers.bridge.gate import is_loopback
from producers.bridge.protocol import BoundedProtocol
from producers.client import TriggerClient
from producers.errors import ClientError
from producers.statistics_reader import StatisticsReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from starlette.applications import Starlette

    from producers.bridge.settings import BridgeSettings

log = logging.getLogger("mailing_trigger.bridge")

KEEP_ALIVE_S = 60
# Then calls still waiting are cut short, with a 503, so that the process is gone within 5 s.
DRAIN_S = 4
BACKLOG = 1024


def serve(settings: BridgeSettings) -> None:
    """Serve until SIGINT or SIGTERM; raise BridgeError with one line when that cannot start."""
    settings.check()
    # While a thread reads a large body, the loop gets its turn this often: with 5 ms, Python's own
    # choice, a pause of the loop was 5.7 ms in the middle and 60 ms at the 99th percentile, with
    # 1 ms 1.3 and 22 ms (a body of 100,000 recipients, 2 busy cores, CPython 3.11).
    sys.setswitchinterval(0.001)
    with _stopped_by_signals(), _listen(settings.host, settings.port) as listener:
        if settings.credentials is not None and not is_loopback(settings.host):
            log.warning("passwords cross the network in clear text unless a proxy adds TLS")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(settings, listener))


async def _run(settings: BridgeSettings, listener: socket.socket) -> None:
    try:
        async with (
            TriggerClient(settings.client) as client,
            StatisticsReader(settings.client) as statistics,
        ):
            server = server_of(create_app(client, statistics.table, settings))
            log.info("bridge listens on http://%s:%d", *listener.getsockname()[:2])
            await server.serve(sockets=[listener])
    except ClientError as exc:
        raise BridgeError(str(exc)) from exc


def server_of(app: Starlette) -> uvicorn.Server:
    """Return the server of *app*, to be given a listening socket."""
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        # Paths and queries are the caller's; what happened is counted in the metrics.
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
        backlog=BACKLOG,
    )
    return uvicorn.Server(config)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as exc:
        raise BridgeError(f"the address {host} is unknown here ({exc.strerror})") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # Only now: two sockets may be bound to one port until one of them listens.
        listener.listen(BACKLOG)
    except OSError as exc:
        listener.close()
        if exc.errno == errno.EADDRINUSE:
            why = "another program has it; stop that one, or choose another port"
        else:
            why = str(exc.strerror)
        raise BridgeError(f"cannot listen on {host}:{port}: {why}") from None
    return listener


class _Stopped(BaseException):
    """SIGINT or SIGTERM came."""


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    # uvicorn handles both while it runs, and raises them again when it has ended: to whoever
    # started it, that is an end as asked for and no accident.
    def stop(_: int, __: FrameType | None) -> None:
        raise _Stopped

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [(number, signal.signal(number, stop)) for number in numbers]
    try:
        yield
    except _Stopped:
        return
    finally:
        for number, handler in before:
            signal.signal(number, handler)
