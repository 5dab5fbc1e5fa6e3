"""Producers of the log's events: each gives up everything it has not delivered, or nothing."""

from __future__ import annotations

import asyncio
import threading
import weakref
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, Producer

from producers.lane import Fate, Lane
from producers.log import LogWriter, never_sent
from producers.settings import ClientSettings
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import pytest

    from producers.calls import Reports

    OnDelivery = Callable[[KafkaError | None, "FakeMessage"], None] | None

ACK_TIMEOUT_S = 10.0
PATIENCE_S = 9.0


class FakeMessage:
    def __init__(self, value: bytes) -> None:
        self._value = value

    def value(self) -> bytes:
        return self._value


class FakeProducer:
    """Keeps events until it is told to deliver them, or purged."""

    def __init__(self, config: dict[str, Any], *, logger: object) -> None:
        assert config["message.timeout.ms"] == 0
        self.taken: list[bytes] = []
        self.heard_of: list[bytes] = []
        self.on_its_way: list[tuple[bytes, OnDelivery]] = []
        self.reports: list[tuple[KafkaError | None, bytes, OnDelivery]] = []
        self.fatal: KafkaError | None = None
        self.config = config

    def produce(
        self, _topic: str, value: bytes, _key: bytes, _partition: int, on_delivery: OnDelivery
    ) -> None:
        if value == b"too much":
            raise BufferError
        self.taken.append(value)
        if on_delivery is not None:
            self.heard_of.append(value)
        self.on_its_way.append((value, on_delivery))

    def deliver(self, error: KafkaError | None = None) -> None:
        while self.on_its_way:
            value, on_delivery = self.on_its_way.pop(0)
            self.reports.append((error, value, on_delivery))

    def poll(self, _timeout: float) -> int:
        while self.reports:
            error, value, on_delivery = self.reports.pop(0)
            if on_delivery is not None:
                on_delivery(error, FakeMessage(value))
        if self.fatal is not None:
            fatal, self.fatal = self.fatal, None
            raise KafkaException(fatal)
        return 0

    def flush(self, _timeout: float) -> int:
        return 0

    def purge(self, *, blocking: bool) -> None:
        assert not blocking
        self.deliver(KafkaError(KafkaError._PURGE_QUEUE))

    def __len__(self) -> int:
        return len(self.on_its_way) + len(self.reports)


class Story:
    """A log writer on fake producers, and what it told."""

    def __init__(self) -> None:
        self.now = 100.0
        self.told: dict[bytes, str | None] = {}
        self.made: list[weakref.ref[FakeProducer]] = []
        self._looked = 0
        self.log = LogWriter(
            ClientSettings("nowhere:1", ack_timeout_s=ACK_TIMEOUT_S),
            loop=asyncio.get_running_loop(),
            on_reports=self._note,
            producer_of=self._make,  # type: ignore[arg-type]
            clock=self._clock,
        )

    def producer(self, number: int) -> FakeProducer:
        producer = self.made[number]()
        assert producer is not None
        return producer

    @property
    def alive(self) -> int:
        return sum(ref() is not None for ref in self.made)

    def put(self, *values: bytes, report: bool = False) -> Reports:
        return self.log.produce([(b"k", value) for value in values], 0, report=report)

    async def later(self, seconds: float = 0.0) -> None:
        """Return when the writer has looked at everything that long from now, twice."""
        self.now += seconds
        # The first look may have begun before.
        wanted = self._looked + 3 * (1 + len(self.log._retired))
        await asyncio.to_thread(eventually, lambda: self._looked >= wanted, every_s=0.001)
        await asyncio.sleep(0)

    def _make(self, config: dict[str, Any], *, logger: object) -> FakeProducer:
        producer = FakeProducer(config, logger=logger)
        self.made.append(weakref.ref(producer))
        return producer

    def _clock(self) -> float:
        if threading.current_thread().name == "log-writer":
            self._looked += 1
        return self.now

    def _note(self, reports: Reports) -> None:
        for value, error in reports:
            assert value is not None
            assert value not in self.told
            self.told[value] = error and error.name()


@asynccontextmanager
async def story() -> AsyncIterator[Story]:
    it = Story()
    try:
        yield it
    finally:
        await asyncio.to_thread(it.log.close)


def test_after_a_fatal_error_the_next_event_goes_to_a_new_producer() -> None:
    async def run() -> None:
        async with story() as it:
            it.put(b"1")
            it.producer(0).fatal = KafkaError(
                KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "broken", True
            )
            await it.later()
            assert it.told == {b"1": "OUT_OF_ORDER_SEQUENCE_NUMBER"}
            it.put(b"2")
            assert it.producer(1).taken == [b"2"]

    asyncio.run(run())


def test_an_error_that_is_not_fatal_ends_nothing() -> None:
    async def run() -> None:
        async with story() as it:
            it.producer(0).config["error_cb"](KafkaError(KafkaError._ALL_BROKERS_DOWN))
            await it.later()
            it.put(b"1")
            assert it.producer(0).taken == [b"1"]

    asyncio.run(run())


def test_of_a_batch_the_last_event_is_heard_of_or_all_that_are_asked_for() -> None:
    async def run() -> None:
        async with story() as it:
            it.put(b"1", b"2")
            refused = it.put(b"3", b"too much", b"4", report=True)
            assert [(value, error.name()) for value, error in refused if error] == [
                (b"too much", "_QUEUE_FULL")
            ]
            assert it.producer(0).taken == [b"1", b"2", b"3", b"4"]
            assert it.producer(0).heard_of == [b"2", b"3", b"4"]
            it.producer(0).deliver()
            await it.later()
            assert it.told == {b"3": None, b"4": None}

    asyncio.run(run())


def test_behind_an_event_that_is_late_others_go_to_a_new_producer_and_none_is_given_up_yet() -> (
    None
):
    async def run() -> None:
        async with story() as it:
            it.put(b"late")
            await it.later(PATIENCE_S / 4)
            it.put(b"behind it")
            assert it.producer(0).taken == [b"late", b"behind it"]
            await it.later(PATIENCE_S / 4)
            it.put(b"after it", report=True)
            assert it.producer(0).taken == [b"late", b"behind it"]
            assert it.producer(1).taken == [b"after it"]
            assert it.told == {}
            for number in (0, 1):
                it.producer(number).deliver()
            await it.later()
            await it.later()
            assert it.told == {b"after it": None}
            assert it.log._retired == []

    asyncio.run(run())


def test_what_is_not_delivered_in_time_is_given_up_as_a_whole() -> None:
    async def run() -> None:
        async with story() as it:
            it.put(b"late")
            await it.later(PATIENCE_S / 4)
            it.put(b"behind it", report=True)
            await it.later(PATIENCE_S / 2)
            it.put(b"after it")
            assert it.told == {}
            await it.later(PATIENCE_S / 4)
            assert it.told == {b"late": "_MSG_TIMED_OUT", b"behind it": "_MSG_TIMED_OUT"}
            assert it.producer(1).on_its_way

    asyncio.run(run())


def test_when_nothing_comes_after_it_what_is_late_is_given_up_all_the_same() -> None:
    async def run() -> None:
        async with story() as it:
            it.put(b"late")
            await it.later(PATIENCE_S)
            assert it.told == {b"late": "_MSG_TIMED_OUT"}
            it.put(b"after it")
            assert it.producer(1).taken == [b"after it"]

    asyncio.run(run())


def test_a_producer_that_delivers_is_never_replaced() -> None:
    async def run() -> None:
        async with story() as it:
            for number in range(40):
                it.put(b"%d" % number)
                await it.later(PATIENCE_S / 8)
                it.producer(0).deliver()
            assert len(it.made) == 1
            assert it.told == {}

    asyncio.run(run())


def test_an_outage_has_two_producers_at_a_time_however_long_it_is() -> None:
    async def run() -> None:
        async with story() as it:
            for number in range(40):
                it.put(b"%d" % number)
                await it.later(PATIENCE_S / 8)
                assert len(it.log._retired) <= 1
            assert len(it.made) >= 8
            await it.later()
            # The thread may still look at one that is gone.
            assert it.alive <= 3
            assert len(it.told) >= 30

    asyncio.run(run())


def test_events_of_which_nobody_would_hear_do_not_stay_in_a_producer_for_ever() -> None:
    async def run() -> None:
        async with story() as it:
            refused = it.put(b"taken", b"too much")
            assert [value for value, _ in refused] == [b"too much"]
            await it.later(PATIENCE_S)
            assert not it.producer(0).on_its_way

    asyncio.run(run())


def test_a_refused_batch_leaves_nothing_to_wait_for() -> None:
    async def run() -> None:
        async with story() as it:
            it.put(b"too much")
            it.put(b"too much", report=True)
            await it.later(PATIENCE_S)
            assert not it.log._lane.stale

    asyncio.run(run())


def test_a_new_producer_does_not_warn_of_its_own_settings(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lane = Lane(
        Producer,
        {"bootstrap.servers": "127.0.0.1:1", "enable.idempotence": True},
        [],
        patience_s=PATIENCE_S,
    )
    # Of the broker that is not there it does.
    eventually(lambda: lane.serve() or caplog.records)
    assert "experimental" not in caplog.text


def test_the_first_fate_of_a_producer_stays() -> None:
    fate = Fate()
    fate.seal(KafkaError(KafkaError._MSG_TIMED_OUT))
    fate.on_error(KafkaError(KafkaError._GAPLESS_GUARANTEE, "purged", True))
    assert fate.error is not None
    assert fate.error.name() == "_MSG_TIMED_OUT"


def test_only_certain_failures_count_as_never_sent() -> None:
    assert never_sent(KafkaError(KafkaError._QUEUE_FULL))
    assert never_sent(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
    assert not never_sent(KafkaError(KafkaError._MSG_TIMED_OUT))
    assert not never_sent(KafkaError(KafkaError._PURGE_INFLIGHT))
    assert not never_sent(KafkaError(KafkaError._PURGE_QUEUE))
