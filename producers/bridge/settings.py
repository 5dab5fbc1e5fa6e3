"""What a bridge is started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from producers.bridge.errors import BridgeError
from producers.bridge.gate import is_loopback
from producers.bridge.limits import Limits

if TYPE_CHECKING:
    from pathlib import Path

    from producers.settings import ClientSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeSettings:
    """Settings of a bridge; without *credentials* it answers to this machine alone."""

    client: ClientSettings
    host: str = "127.0.0.1"
    port: int = 8080
    credentials: Path | None = None
    insecure: bool = False
    limits: Limits = field(default_factory=Limits)

    @property
    def local_only(self) -> bool:
        return self.credentials is None and not self.insecure

    def check(self) -> None:
        """Raise BridgeError when these settings would let strangers in."""
        if self.local_only and not is_loopback(self.host):
            raise BridgeError(
                f"listening on {self.host} needs a file of credentials (--credentials FILE); "
                "without one only 127.0.0.1, ::1 or localhost, or --insecure to let everyone in"
            )
