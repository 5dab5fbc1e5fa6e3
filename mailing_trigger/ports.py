"""Whether the bridge could listen."""

from __future__ import annotations

import errno
import socket

from mailing_trigger.errors import CommandError


def require_free(host: str, port: int) -> None:
    """Raise with cause and cure when nobody could listen on *host* and *port* now."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as exc:
        raise CommandError(
            f"the address {host} is unknown here ({exc.strerror}): see --host"
        ) from None
    with socket.socket(family, kind, protocol) as probe:
        # As the bridge does: connections that are still winding down take no port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as exc:
            raise CommandError(_why(exc, host, port)) from None


def _why(exc: OSError, host: str, port: int) -> str:
    if exc.errno == errno.EADDRINUSE:
        return f"port {port} is taken by another program: stop that one, or choose with --port"
    if exc.errno == errno.EACCES:
        return f"port {port} needs more rights: choose one from 1024 up with --port"
    return f"nobody can listen on {host}:{port} ({exc.strerror}): see --host and --port"
