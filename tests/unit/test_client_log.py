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
        self.taken: list[bytes] = []
        self.heard_of: list[bytes] = []
        self.purged = False
        self.made.append(self)

    def produce(
        self, _topic: str, value: bytes, _key: bytes, _partition: int, on_delivery: object
    ) -> None:
        if value == b"too much":
            raise BufferError
        self.taken.append(value)
        if on_delivery is not None:
            self.heard_of.append(value)

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
        log.produce([(b"k", b"1")], 0)
        Producers.made[0].error_cb(
            KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "broken", True)
        )
        log.produce([(b"k", b"2")], 0)
        await asyncio.to_thread(log.close)

    asyncio.run(run())
    first, second = Producers.made
    assert first.taken == [b"1"]
    assert second.taken == [b"2"]
    assert first.purged


def test_of_a_batch_the_last_event_is_heard_of_or_all_that_are_asked_for() -> None:
    class Producers(DyingProducer):
        made: ClassVar[list[DyingProducer]] = []

    async def run() -> Reports:
        loop = asyncio.get_running_loop()
        settings = ClientSettings("nowhere:1")
        log = LogWriter(settings, loop=loop, on_reports=print, producer_of=Producers)
        log.produce([(b"k", b"1"), (b"k", b"2")], 0)
        refused = log.produce([(b"k", b"3"), (b"k", b"too much"), (b"k", b"4")], 0, report=True)
        await asyncio.to_thread(log.close)
        return refused

    refused = asyncio.run(run())
    (producer,) = Producers.made
    assert producer.taken == [b"1", b"2", b"3", b"4"]
    assert producer.heard_of == [b"2", b"3", b"4"]
    assert [(value, error.name()) for value, error in refused if error] == [
        (b"too much", "_QUEUE_FULL")
    ]


def test_only_certain_failures_count_as_never_sent() -> None:
    assert never_sent(KafkaError(KafkaError._QUEUE_FULL))
    assert never_sent(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
    assert not never_sent(KafkaError(KafkaError._MSG_TIMED_OUT))
    assert not never_sent(KafkaError(KafkaError._PURGE_INFLIGHT))
