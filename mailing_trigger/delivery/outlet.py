"""Where messages leave, whatever it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from mailing_trigger.delivery.folder import FolderOutlet
from mailing_trigger.delivery.settings import FolderPlace, HookPlace, require_safe
from mailing_trigger.delivery.webhook import HookOutlet

if TYPE_CHECKING:
    from mailing_trigger.delivery.message import Content, Send
    from mailing_trigger.delivery.settings import DeliverySettings, Place


class Outlet(Protocol):
    """Takes messages, several at a time."""

    async def deliver(self, send: Send, content: Content) -> None:
        """Hand a message over; returns when it is the other side's. Raises DeliveryError."""

    async def close(self) -> None:
        """End in good order."""


def outlet_at(place: Place, settings: DeliverySettings) -> Outlet:
    """Return the outlet that leads to *place*."""
    require_safe(place, password=settings.password, token=settings.token)
    if isinstance(place, HookPlace):
        return HookOutlet(place.url, token=settings.token)
    if isinstance(place, FolderPlace):
        return FolderOutlet(place.folder, settings.sender, installation=settings.topic_prefix)
    # Its library is an extra, for those who have a mail server.
    from mailing_trigger.delivery.smtp import SmtpOutlet  # noqa: PLC0415

    return SmtpOutlet(place, settings)
