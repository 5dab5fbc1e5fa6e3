"""Where messages leave, in whose name, and with which patience."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import parseaddr
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mailing_trigger.errors import SettingsError
from schemas.topics import SENDS, UNDELIVERED

if TYPE_CHECKING:
    from collections.abc import Mapping

# Of mails that only a folder gets.
NOBODY = "mailing-trigger <nobody@localhost>"
# Messages that an outlet is given at once: so many connections to a mail server, or to a URL.
AT_ONCE = 8
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS = {"smtps": 465, "smtp": 587, "smtp+plain": 25}


class Tls(StrEnum):
    """How a connection to a mail server is encrypted."""

    FROM_THE_START = "smtps"
    STARTTLS = "smtp"
    NEVER = "smtp+plain"


@dataclass(frozen=True, slots=True)
class SmtpPlace:
    """A mail server."""

    host: str
    port: int
    tls: Tls


@dataclass(frozen=True, slots=True)
class HookPlace:
    """A URL that takes each message as JSON."""

    url: str


@dataclass(frozen=True, slots=True)
class FolderPlace:
    """A folder that gets a file a message."""

    folder: Path


Place = SmtpPlace | HookPlace | FolderPlace


@dataclass(frozen=True, slots=True)
class Patience:
    """How often one message is tried, and how long an outlet that takes nothing is waited for.

    Eight tries are spread over some four minutes: enough for a relay that has a bad moment.
    """

    tries: int = 8
    first_pause_s: float = 2.0
    longest_pause_s: float = 120.0
    outage_s: float = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """What a deliverer needs; *security* holds librdkafka's own properties."""

    bootstrap_servers: str
    group: str
    mails: Place
    sender: Address
    topic_prefix: str = ""
    security: Mapping[str, str] = field(default_factory=dict, repr=False)
    schema_registry_url: str | None = field(default=None, repr=False)
    texts: HookPlace | FolderPlace | None = None
    templates: Path | None = None
    session_timeout_s: float = 6.0
    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    patience: Patience = field(default_factory=Patience)

    @property
    def sends(self) -> str:
        return self.topic_prefix + SENDS

    @property
    def undelivered(self) -> str:
        return self.topic_prefix + UNDELIVERED


def place_of(text: str, name: str) -> Place:
    """Return the place that the setting *name* says; text without a scheme is a folder."""
    if "://" not in text:
        return FolderPlace(Path(text).expanduser().absolute())
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise SettingsError(f"{name}: this is no URL") from None
    if parts.username or parts.password:
        raise SettingsError(f"{name}: no login belongs into it: see smtp_user and webhook_token")
    if parts.scheme in {"http", "https"} and host:
        return HookPlace(text)
    if parts.scheme in _PORTS and host and not parts.path.strip("/"):
        return SmtpPlace(host, port or _PORTS[parts.scheme], Tls(parts.scheme))
    raise SettingsError(
        f"{name} is smtp://HOST:PORT (with STARTTLS), smtps://HOST:PORT, smtp+plain://HOST:PORT, "
        "http(s)://… or a folder"
    )


def sender_of(text: str) -> Address:
    """Return the address that mails are from, such as ``Shop <shop@example.com>``."""
    name, spec = parseaddr(text)
    wrong = SettingsError("sender is no address such as `Shop <shop@example.com>`")
    if not spec.isascii() or "@" not in spec or not text.isprintable():
        raise wrong
    try:
        return Address(display_name=name, addr_spec=spec)
    except (ValueError, IndexError, MessageError):
        raise wrong from None


def require_safe(place: Place, *, password: str, token: str) -> None:
    """Raise when a secret would leave this machine for all to read."""
    if isinstance(place, SmtpPlace) and password and place.tls is Tls.NEVER:
        _require_near(place.host, "smtp_password", "smtps:// or smtp://")
    if isinstance(place, HookPlace) and token and place.url.startswith("http:"):
        _require_near(urlsplit(place.url).hostname or "", "webhook_token", "https://")


def _require_near(host: str, secret: str, cure: str) -> None:
    if host not in _LOOPBACK:
        raise SettingsError(f"{secret} would cross the network in clear: use {cure}")
