"""What a caller is told about a step when the log goes away behind it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError

from producers.control import Control
from producers.errors import LogUnavailable
from schemas.codec import Codec
from schemas.records import MailingPhase

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class TakesOne:
    """An exchange whose log takes one event, and answers it, and then is away."""

    partitions, reply_partition, codec = 1, 0, Codec()

    def __init__(self) -> None:
        self._taken = False

    async def run(self, _request_id: str, waiting: Any, _pieces: Any) -> None:
        if self._taken:
            waiting.fail(0, KafkaError(KafkaError._QUEUE_FULL))
            return
        self._taken = True
        done = {"index": 0, "outcome": "DONE", "revision": 1, "messages": 0, "mailings": []}
        waiting.take([(0, done)], at=1.0)


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(lambda control: control.switch(2, 1, MailingPhase.SUSPENDED), id="switch"),
        pytest.param(lambda control: control.define(2, 1, name="A mailing"), id="define"),
    ],
)
def test_a_step_that_was_taken_is_not_called_nothing_when_the_log_goes_away(
    step: Callable[[Control], Awaitable[object]],
) -> None:
    async def asked() -> None:
        await step(Control(TakesOne()))  # type: ignore[arg-type]

    with pytest.raises(LogUnavailable) as caught:
        asyncio.run(asked())
    assert caught.value.produced
