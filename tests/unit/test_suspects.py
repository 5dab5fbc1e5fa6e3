"""Which event is found guilty when a transaction cannot be written."""

from __future__ import annotations

from confluent_kafka import KafkaError

from streams.worker.suspects import Suspects

TOO_LARGE = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)


def test_a_lone_event_that_shared_its_transaction_with_another_partition_is_not_condemned() -> None:
    suspects = Suspects()
    for _ in range(2):
        suspects.failed(0, 7, 7, TOO_LARGE)
        suspects.failed(1, 9, 9, TOO_LARGE)
    assert not suspects.poison(0)
    assert not suspects.poison(1)
    assert suspects.one_by_one(0, 7)
    assert suspects.one_by_one(1, 9)


def test_an_event_that_fails_twice_alone_is_condemned_and_the_next_is_not() -> None:
    suspects = Suspects()
    for _ in range(2):
        suspects.failed(0, 5, 8, TOO_LARGE)
    suspects.committed(0, 5)
    for _ in range(2):
        suspects.failed(0, 6, 6, TOO_LARGE)
    assert dict(suspects.poison(0)) == {6: "TOO_LARGE_TO_PRODUCE"}
    suspects.committed(0, 8)
    assert not suspects.poison(0)
    assert not suspects.one_by_one(0, 9)


def test_a_broker_that_is_away_makes_nobody_suspect() -> None:
    suspects = Suspects()
    for _ in range(5):
        suspects.failed(0, 5, 5, KafkaError(KafkaError._TRANSPORT))
    assert not suspects.poison(0)
    assert not suspects.one_by_one(0, 5)
