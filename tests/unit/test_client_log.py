"""A producer that has failed for good is replaced, and its events are told as failed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

from confluent_kafka import KafkaError

from producers.log import LogWriter, never_sent
from producers.settings import ClientSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from producers.calls import Reports


class DyingProducer:
    """Takes events until it is told that its sequence is broken."""

    made: ClassVar[list[DyingProducer]]

    def __init__(self, config: dict[str, Any], *, logger: object) -> None:
        self.error_cb: Callable[[KafkaError], None] = config["error_cb"]
        self.taken: list[dict[str, Any]] = []
        self.purged = False
        self.made.append(self)

    def produce_batch(
        self, _topic: str, events: list[dict[str, Any]], *, partition: int, on_delivery: object
    ) -> int:
        self.taken += events
        return len(events)

    def poll(self, _timeout: float) -> int:
        return 0

    def flush(self, _timeout: float) -> int:
        return 0

    def purge(self) -> None:
        self.purged = True

    def __len__(self) -> int:
        return 0


def test_after_a_fatal_error_the_next_event_goes_to_a_new_producer() -> None:
    class Producers(DyingProducer):
        made: ClassVar[list[DyingProducer]] = []

    def ignore(_reports: Reports) -> None:
        return

    async def run() -> None:
        loop = asyncio.get_running_loop()
        settings = ClientSettings("nowhere:1")
        log = LogWriter(settings, loop=loop, on_reports=ignore, producer_of=Producers)
        log.produce([{"key": b"k", "value": b"1"}])
        Producers.made[0].error_cb(
            KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "broken", True)
        )
        log.produce([{"key": b"k", "value": b"2"}])
        await asyncio.to_thread(log.close)

    asyncio.run(run())
    first, second = Producers.made
    assert [event["value"] for event in first.taken] == [b"1"]
    assert [event["value"] for event in second.taken] == [b"2"]
    assert first.purged


def test_only_certain_failures_count_as_never_sent() -> None:
    assert never_sent(KafkaError(KafkaError._QUEUE_FULL))
    assert never_sent(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
    assert not never_sent(KafkaError(KafkaError._MSG_TIMED_OUT))
    assert not never_sent(KafkaError(KafkaError._PURGE_INFLIGHT))
