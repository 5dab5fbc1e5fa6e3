"""A send as the last hop sees it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from schemas.records import Channel

if TYPE_CHECKING:
    from collections.abc import Mapping

_OF_THE_MESSAGE = frozenset({"send_id", "orgid", "mid", "invocation", "rid", "channel", "context"})


@dataclass(frozen=True, slots=True, repr=False)
class Send:
    """One message that is asked for; *profile* are the recipient's fields that are known.

    *context* is the caller's JSON text, empty when there is none. *sent_at_ms* is when the worker
    wrote it, by the broker's clock.
    """

    send_id: str
    orgid: int
    mid: int
    invocation: int
    rid: int
    channel: Channel
    context: bytes
    profile: Mapping[str, Any]
    sent_at_ms: int

    def __repr__(self) -> str:
        """Show nothing personal."""
        return f"Send({self.send_id}, {self.channel})"

    @property
    def email(self) -> str:
        return str(self.profile["email"])

    @property
    def phone(self) -> str:
        return str(self.profile.get("smsContact", ""))

    @property
    def name(self) -> str:
        """First and last name, as far as they are known."""
        names = (self.profile.get(name, "") for name in ("firstName", "lastName"))
        return " ".join(filter(None, names))


@dataclass(frozen=True, slots=True)
class Content:
    """What was rendered: of a mail its subject and one or two bodies, of a text only `plain`."""

    subject: str = ""
    html: str | None = None
    plain: str | None = None


def send_of(record: Mapping[str, Any], sent_at_ms: int) -> Send:
    """Return the send that a RecipientSend describes."""
    profile = {
        name: value
        for name, value in record.items()
        if name not in _OF_THE_MESSAGE and value is not None
    }
    if "profileData" in profile:
        profile["profileData"] = {
            name: value_of(scalar) for name, scalar in profile["profileData"].items()
        }
    return Send(
        send_id=record["send_id"],
        orgid=record["orgid"],
        mid=record["mid"],
        invocation=record["invocation"],
        rid=record["rid"],
        # Written by workers before there were channels, a send is a mail.
        channel=Channel(record.get("channel", Channel.EMAIL)),
        context=record["context"],
        profile=profile,
        sent_at_ms=sent_at_ms,
    )


def value_of(text: str | bytes) -> Any:
    """Return the value of JSON text, its numbers with all their digits; other text as it is.

    Nobody but the callers' side checks what an upstream producer writes.
    """
    try:
        return json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        return text.decode("utf-8", "replace") if isinstance(text, bytes) else text
