"""What the doctor makes of brokers that are only just sharing their work out."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, KafkaException

from mailing_trigger import doctor_kafka
from mailing_trigger.doctor_kafka import once_settled


class Broker:
    """Refuses with *codes*, one after the other, then answers."""

    def __init__(self, *codes: int) -> None:
        self._codes = list(codes)

    def answer(self) -> str:
        if self._codes:
            raise KafkaException(KafkaError(self._codes.pop(0)))
        return "two members"


@pytest.fixture(autouse=True)
def pauses_taken(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    monkeypatch.setattr(doctor_kafka, "time", SimpleNamespace(sleep=taken.append))
    return taken


def test_a_group_whose_keeper_is_just_being_chosen_is_asked_for_again(
    pauses_taken: list[float],
) -> None:
    moving = Broker(KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.COORDINATOR_LOAD_IN_PROGRESS)
    assert once_settled(moving.answer) == "two members"
    assert len(pauses_taken) == 2


def test_what_does_not_pass_by_itself_is_told_at_once(pauses_taken: list[float]) -> None:
    with pytest.raises(KafkaException):
        once_settled(Broker(KafkaError.GROUP_AUTHORIZATION_FAILED).answer)
    assert not pauses_taken
