"""When a consumer that reads nothing is taken for deaf, on both sides of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from producers import hearing
from streams.worker import hearing as worker_hearing
from streams.worker.settings import WorkerSettings

if TYPE_CHECKING:
    from streams.worker.source import Source

SETTINGS = WorkerSettings("localhost:9092")


class FakeClock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class FakeConsumer:
    """Says that a partition ends where `ends` has it; asks in vain without any."""

    def __init__(self, ends: dict[int, int]) -> None:
        self.ends = ends

    def get_watermark_offsets(
        self, place: TopicPartition, _timeout: float, *, cached: bool
    ) -> tuple[int, int]:
        assert not cached
        if not self.ends:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return 0, self.ends[place.partition]

    def close(self) -> None:
        pass


class FakeSource:
    def __init__(self, positions: dict[int, int], ends: dict[int, int]) -> None:
        self.positions = positions
        self.full = False
        self.consumer = FakeConsumer(ends)

    def ends(self, partitions: list[int], timeout_s: float) -> dict[int, int]:
        ask = self.consumer.get_watermark_offsets
        return {p: ask(TopicPartition("log", p), timeout_s, cached=False)[1] for p in partitions}


class Reader:
    """A reader that looks every two seconds."""

    def __init__(self, ends: dict[int, int]) -> None:
        self.clock = FakeClock()
        self.consumer = FakeConsumer(ends)
        self.hearing = hearing.Hearing("acks", clock=self.clock)

    def doubts(self, positions: dict[int, int]) -> bool:
        self.clock.now += hearing.LOOK_EVERY_S
        return self.hearing.doubts(cast("Consumer", self.consumer), positions)


def test_a_reader_at_the_end_is_never_doubted() -> None:
    reader = Reader({0: 5, 1: 7})
    assert [reader.doubts({0: 5, 1: 7}) for _ in range(5)] == [False] * 5


def test_a_reader_that_stands_before_a_record_twice_is_doubted() -> None:
    reader = Reader({0: 5, 1: 8})
    assert [reader.doubts({0: 5, 1: 7}) for _ in range(2)] == [False, True]


def test_a_reader_that_goes_on_is_not_doubted_however_far_behind() -> None:
    reader = Reader({0: 1000})
    assert [reader.doubts({0: position}) for position in range(5)] == [False] * 5


def test_a_reader_that_cannot_ask_is_doubted_at_once() -> None:
    assert Reader({}).doubts({0: 5})


def test_a_reader_that_has_just_read_is_not_even_asked() -> None:
    reader = Reader({})
    reader.clock.now += hearing.LOOK_EVERY_S
    reader.hearing.note()
    assert not reader.hearing.doubts(cast("Consumer", reader.consumer), {0: 5})


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """What a new consumer says; empty: it asks in vain."""
    ends = {0: 0, 1: 0}
    fresh = FakeConsumer(ends)
    monkeypatch.setattr(worker_hearing, "offsets_consumer", lambda *_, **__: fresh)
    return ends


def _looks(source: FakeSource, times: int, every_s: float = 5.0) -> list[str]:
    clock = FakeClock()
    looking = worker_hearing.Hearing(SETTINGS, cast("Source", source), clock=clock)
    said = []
    for _ in range(times):
        said.append(looking.look())
        clock.now += every_s
    return said


@pytest.mark.usefixtures("others")
def test_a_worker_that_asks_in_vain_three_times_where_others_are_answered_is_lost() -> None:
    for positions in ({0: 5}, {}):
        *before, last = _looks(FakeSource(positions, {}), 3)
        assert before == ["", ""]
        assert "lost every broker" in last


def test_a_worker_is_not_guilty_of_a_broker_that_is_away(others: dict[int, int]) -> None:
    others.clear()
    assert _looks(FakeSource({0: 5}, {}), 20) == [""] * 20


@pytest.mark.usefixtures("others")
def test_a_worker_with_a_partition_that_stands_for_a_minute_is_deaf() -> None:
    source = FakeSource({0: 5, 1: 7}, {0: 5, 1: 8})
    said = _looks(source, 13)
    assert said[:12] == [""] * 12
    assert "partitions [1] have events" in said[12]


@pytest.mark.usefixtures("others")
def test_a_worker_that_has_no_room_for_more_is_not_deaf() -> None:
    source = FakeSource({0: 5}, {0: 8})
    source.full = True
    assert _looks(source, 20) == [""] * 20


@pytest.mark.usefixtures("others")
def test_events_wait_where_a_partition_stands_before_them() -> None:
    looking = worker_hearing.Hearing(SETTINGS, cast("Source", FakeSource({0: 5}, {0: 8})))
    assert not looking.events_wait
    looking.look()
    assert looking.events_wait
