"""How to reach the log, the acknowledgements and the schema registry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from schemas.topics import ACKS, LOG

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, repr=False)
class ClientSettings:
    """Settings of a client; *security* holds librdkafka's own properties for SASL and TLS."""

    bootstrap_servers: str
    topic_prefix: str = ""
    security: Mapping[str, str] = field(default_factory=dict)
    schema_registry_url: str | None = None
    ack_timeout_s: float = 30.0

    @property
    def log_topic(self) -> str:
        return self.topic_prefix + LOG

    @property
    def acks_topic(self) -> str:
        return self.topic_prefix + ACKS

    def librdkafka(self) -> dict[str, object]:
        """Return the properties every connection of ours shares."""
        return {
            **self.security,
            "bootstrap.servers": self.bootstrap_servers,
            "socket.keepalive.enable": True,
            # A broker that restarts is met again within a second, not within ten.
            "reconnect.backoff.max.ms": 1000,
        }

    def __repr__(self) -> str:
        security = dict.fromkeys(self.security, "***")
        registry = self.schema_registry_url and urlsplit(self.schema_registry_url).hostname
        return (
            f"ClientSettings(bootstrap_servers={self.bootstrap_servers!r}, "
            f"topic_prefix={self.topic_prefix!r}, security={security}, "
            f"schema_registry={registry!r}, ack_timeout_s={self.ack_timeout_s})"
        )
