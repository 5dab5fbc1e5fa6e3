"""A client of one test, and people to trigger."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from producers import ClientSettings, TriggerClient
from tests.support.worker import ACK_TIMEOUT_S, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from tests.support.brokers import Broker

T = TypeVar("T")


@asynccontextmanager
async def opened(kafka: Broker, prefix: str) -> AsyncIterator[TriggerClient]:
    """Open a client for the block, whose calls wait longer than a stalled machine takes."""
    settings = ClientSettings(kafka.bootstrap_servers, prefix, ack_timeout_s=ACK_TIMEOUT_S)
    async with TriggerClient(settings) as client:
        yield client


def time_is_over(client: TriggerClient) -> None:
    """End the waits of the calls under way, as their timers would."""
    for waiting in [*client._exchange._calls._waiting.values()]:
        waiting.give_up()


async def with_answers(client: TriggerClient, call: Coroutine[Any, Any, T], count: int) -> T:
    """Return what *call* makes of *count* answers when no other comes in time.

    Its time is over as soon as it has them: a timer could not know how long a broker stalls.
    """
    calling = asyncio.create_task(call)

    async def there() -> bool:
        waits = client._exchange._calls._waiting.values()
        return calling.done() or any(len(waiting.answers) >= count for waiting in waits)

    await until(there)
    time_is_over(client)
    return await calling


def people(count: int) -> list[dict[str, object]]:
    """Return *count* recipients with an address each."""
    return [{"email": f"u{i}@domain.com", "context": {"n": i}} for i in range(count)]
