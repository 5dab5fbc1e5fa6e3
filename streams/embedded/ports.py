"""Ports the broker can have."""

from __future__ import annotations

import errno
import secrets
import socket

from streams.embedded.config import HOST
from streams.embedded.errors import BrokerError

# Below the ports the system gives to outgoing connections (Linux from 32768, macOS from 49152):
# while the broker is down, a client that keeps trying to reach it could be given its very port,
# meet itself there, and keep the broker from coming back.
FIRST_PORT = 20_000
LAST_PORT = 32_000
PORT_TRIES = 100


def free_port(*, besides: int = 0) -> int:
    """Return a port nobody listens on, other than *besides*."""
    for _ in range(PORT_TRIES):
        port = FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT)
        if port != besides and _is_free(port):
            return port
    raise BrokerError(f"no free port between {FIRST_PORT} and {LAST_PORT} for the broker: name one")


def require_free(port: int, *, cure: str) -> None:
    """Raise unless the broker can listen on *port*."""
    if not _is_free(port):
        raise BrokerError(f"port {port} is taken by another program: {cure}")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As Java does: a port whose last connections are still in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError as exc:
            raise BrokerError(f"port {port} needs more rights: name one from 1024 up") from exc
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                return False
            raise BrokerError(f"port {port} cannot be used: {exc.strerror}") from exc
    return True
