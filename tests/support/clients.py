"""A client of one test, and people to trigger."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from producers import ClientSettings, TriggerClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.brokers import Broker

SOON_S = 1.5  # for tests in which an answer never comes


@asynccontextmanager
async def opened(
    kafka: Broker, prefix: str, *, ack_timeout_s: float = 20.0
) -> AsyncIterator[TriggerClient]:
    """Open a client for the block."""
    settings = ClientSettings(kafka.bootstrap_servers, prefix, ack_timeout_s=ack_timeout_s)
    async with TriggerClient(settings) as client:
        yield client


def people(count: int) -> list[dict[str, object]]:
    """Return *count* recipients with an address each."""
    return [{"email": f"u{i}@domain.com", "context": {"n": i}} for i in range(count)]
