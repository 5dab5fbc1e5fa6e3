"""When a consumer that reads nothing is taken for deaf, on both sides of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from confluent_kafka import OFFSET_END, KafkaError, KafkaException, TopicPartition

from producers import hearing
from streams.worker import hearing as worker_hearing
from streams.worker.settings import WorkerSettings
from tests.support.hand_clock import HandClock

if TYPE_CHECKING:
    from confluent_kafka import Consumer

    from streams.worker.source import Source

SETTINGS = WorkerSettings("localhost:9092")


class FakeConsumer:
    """Says that a partition ends where `ends` has it; asks in vain without any."""

    def __init__(self, ends: dict[int, int]) -> None:
        self.ends = ends

    def offsets_for_times(
        self, places: list[TopicPartition], timeout: float
    ) -> list[TopicPartition]:
        assert timeout > 0
        assert {place.offset for place in places} == {OFFSET_END}
        if not self.ends:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return [
            TopicPartition(place.topic, place.partition, self.ends[place.partition])
            for place in places
        ]

    def close(self) -> None:
        pass


class FakeSource:
    def __init__(self, positions: dict[int, int]) -> None:
        self.positions = positions
        self.full = False
        self.in_vain = 0


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """What another consumer is told; empty: it asks in vain."""
    ends = {0: 5, 1: 7}
    monkeypatch.setattr(hearing, "Consumer", lambda _: FakeConsumer(ends))
    monkeypatch.setattr(worker_hearing, "offsets_consumer", lambda *_, **__: FakeConsumer(ends))
    return ends


class Reader:
    """A reader that is looked at every two seconds, and is told `ends`."""

    def __init__(self, ends: dict[int, int], *, patience: int = 1) -> None:
        self.clock = HandClock()
        self.consumer = FakeConsumer(ends)
        self.hearing = hearing.Hearing("acks", {}, patience=patience, clock=self.clock)

    def deaf(self, positions: dict[int, int]) -> bool:
        self.clock.now += hearing.LOOK_EVERY_S
        return self.hearing.deaf(cast("Consumer", self.consumer), positions)


def test_a_reader_at_the_end_is_not_deaf(ends: dict[int, int]) -> None:
    reader = Reader(ends)
    assert [reader.deaf({0: 5, 1: 7}) for _ in range(9)] == [False] * 9


def test_a_reader_that_stands_before_a_record_is_deaf(ends: dict[int, int]) -> None:
    reader = Reader(ends)
    # The other partition goes on.
    said = [reader.deaf({0: look, 1: 6}) for look in range(hearing.STANDS)]
    assert said == [False] * (hearing.STANDS - 1) + [True]


def test_a_reader_that_goes_on_is_not_deaf_however_far_behind(ends: dict[int, int]) -> None:
    reader = Reader(ends | {0: 1000})
    assert [reader.deaf({0: position}) for position in range(9)] == [False] * 9


@pytest.mark.usefixtures("ends")
def test_a_reader_that_asks_in_vain_where_others_are_told_is_deaf() -> None:
    assert Reader({}).deaf({0: 5})
    patient = Reader({}, patience=3)
    assert [patient.deaf({0: 5}) for _ in range(3)] == [False, False, True]


def test_a_reader_is_not_deaf_for_brokers_that_are_away_and_come_back_later_to_it(
    ends: dict[int, int],
) -> None:
    reader = Reader({}, patience=2)
    ends.clear()
    assert [reader.deaf({0: 5}) for _ in range(9)] == [False] * 9
    ends[0] = 5
    assert not reader.deaf({0: 5})


def test_where_no_other_can_be_made_nobody_is_deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise KafkaException(KafkaError(KafkaError._CRIT_SYS_RESOURCE))

    monkeypatch.setattr(hearing, "Consumer", fail)
    assert not Reader({}).deaf({0: 5})


@pytest.mark.usefixtures("ends")
def test_a_reader_is_not_looked_at_again_at_once() -> None:
    reader = Reader({}, patience=2)
    assert not reader.deaf({0: 5})
    assert not reader.hearing.deaf(cast("Consumer", reader.consumer), {0: 5})


class Worker:
    """A worker that is looked at every five seconds."""

    def __init__(self, positions: dict[int, int]) -> None:
        self.source = FakeSource(positions)
        self.clock = HandClock()
        self.hearing = worker_hearing.Hearing(
            SETTINGS, cast("Source", self.source), clock=self.clock
        )

    def look(self, *, in_vain: bool = False) -> str:
        self.clock.now += 5.0
        self.source.in_vain = self.source.in_vain + 1 if in_vain else 0
        return self.hearing.look()


@pytest.mark.usefixtures("ends")
@pytest.mark.parametrize("positions", [{0: 5}, {}], ids=["with partitions", "without"])
def test_a_worker_that_asks_in_vain_three_times_where_others_are_told_is_lost(
    positions: dict[int, int],
) -> None:
    worker = Worker(positions)
    assert [worker.look(in_vain=True) for _ in range(2)] == ["", ""]
    assert "lost every broker" in worker.look(in_vain=True)


def test_a_worker_is_not_guilty_of_brokers_that_are_away_nor_when_they_are_back(
    ends: dict[int, int],
) -> None:
    worker = Worker({0: 5})
    ends.clear()
    assert [worker.look(in_vain=True) for _ in range(20)] == [""] * 20
    ends[0] = 5
    # It meets them a little later than others do.
    assert [worker.look(in_vain=True) for _ in range(2)] == ["", ""]
    assert [worker.look() for _ in range(3)] == [""] * 3
    assert [worker.look(in_vain=True) for _ in range(2)] == ["", ""]


def test_a_worker_with_a_partition_that_stands_for_minutes_is_deaf(ends: dict[int, int]) -> None:
    worker = Worker({0: 5, 1: 7})
    ends[1] = 8
    looks = int(worker_hearing.DEAF_S / 5)
    assert [worker.look() for _ in range(looks)] == [""] * looks
    assert "partitions [1] have events" in worker.look()


def test_a_worker_that_has_no_room_for_more_is_not_deaf(ends: dict[int, int]) -> None:
    worker = Worker({0: 5})
    ends[0], worker.source.full = 8, True
    assert [worker.look() for _ in range(99)] == [""] * 99


def test_events_wait_where_a_partition_stands_before_them(ends: dict[int, int]) -> None:
    worker = Worker({0: 5})
    worker.look()
    assert not worker.hearing.events_wait
    ends[0] = 8
    worker.look()
    assert worker.hearing.events_wait
