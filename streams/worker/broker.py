"""Where Faust's own, small traffic goes: the same broker, in aiokafka's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import faust
from aiokafka.helpers import create_ssl_context  # type: ignore[import-untyped]
from yarl import URL

if TYPE_CHECKING:
    import ssl

    from streams.worker.settings import WorkerSettings


def faust_broker(settings: WorkerSettings) -> dict[str, Any]:
    """Return the settings of a Faust app for the broker of *settings*."""
    servers = settings.bootstrap_servers.split(",")
    conf: dict[str, Any] = {"broker": [URL(f"kafka://{server.strip()}") for server in servers]}
    credentials = _credentials(settings)
    if credentials is not None:
        conf["broker_credentials"] = credentials
    return conf


def _credentials(settings: WorkerSettings) -> Any:
    security = settings.security
    protocol = security.get("security.protocol", "plaintext").lower()
    context = _ssl_context(settings) if protocol.endswith("ssl") else None
    if protocol.startswith("sasl"):
        return faust.SASLCredentials(
            mechanism=security.get("sasl.mechanism", security.get("sasl.mechanisms", "PLAIN")),
            username=security.get("sasl.username"),
            password=security.get("sasl.password"),
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context is not None else None


def _ssl_context(settings: WorkerSettings) -> ssl.SSLContext:
    security = settings.security
    context: ssl.SSLContext = create_ssl_context(
        cafile=security.get("ssl.ca.location"),
        certfile=security.get("ssl.certificate.location"),
        keyfile=security.get("ssl.key.location"),
        password=security.get("ssl.key.password"),
    )
    return context
