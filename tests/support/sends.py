"""Sends as the worker writes them, and as a deliverer sees them."""

from __future__ import annotations

from typing import Any

from mailing_trigger.delivery.message import Send, send_of
from schemas.records import RECIPIENT_SEND
from tests.support.events import CODEC, START_MS


def record(number: int = 0, **fields: Any) -> dict[str, Any]:
    """The fields of a send."""
    return {
        "send_id": f"{(number + 1) * 1024}:0:{number}",
        "orgid": 2,
        "mid": 1,
        "invocation": 1,
        "rid": (number + 1) * 1024,
        "context": b"",
        "email": f"user{number}@example.com",
    } | fields


def encoded(number: int = 0, **fields: Any) -> bytes:
    """A send as it stands in the topic."""
    return CODEC.encode(RECIPIENT_SEND, record(number, **fields))


def send(number: int = 0, *, channel: str = "EMAIL", **fields: Any) -> Send:
    """A send as a deliverer sees it."""
    _, decoded = CODEC.decode(encoded(number, **fields))
    return send_of(decoded | {"channel": channel}, START_MS)
