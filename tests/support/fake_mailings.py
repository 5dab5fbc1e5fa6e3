"""What a stand-in for the workers answers to calls about mailings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.records import MAILING_ANSWER, MAILING_QUERIED, RECIPIENT_TRIGGERED
from tests.support.fake_worker import created
from tests.support.topics import PARTITIONS

if TYPE_CHECKING:
    from confluent_kafka import Message

    from tests.support.fake_worker import Reply


def snapshot(event: dict[str, Any], partition: int, mid: int) -> dict[str, Any]:
    """Return what *partition* knows of the mailing that *event* asks for."""
    return {
        "orgid": event["orgid"],
        "mid": mid,
        "revision": 3,
        "state": "ACTIVE",
        "name": f"mailing {mid}",
        "type": "api-triggered",
        "dedup": "RECIPIENT",
        "interval_s": 15,
        "invocation": 1,
        "triggered": 100,
        "created": 10 + partition,
        "known": 5,
        "duplicates": 2,
        "suppressed": 1,
        "rejected": 0,
        "sent": 4,
    }


def answer_of(event: dict[str, Any], partition: int, outcome: str = "DONE", **fields: Any) -> Reply:
    """Return the answer of one partition to a control call."""
    record = {"request_id": event["request_id"], "index": partition, "outcome": outcome}
    return MAILING_ANSWER, {**record, "revision": 3, "messages": 0, "mailings": [], **fields}


def answering(name: str, event: dict[str, Any], message: Message) -> list[Reply]:
    """Answer each event by what it asks: a trigger with a new recipient, a control call as done."""
    return (created if name == RECIPIENT_TRIGGERED else obeying)(name, event, message)


def obeying(name: str, event: dict[str, Any], message: Message) -> list[Reply]:
    """Do what every control call asks, for all partitions."""
    if name != MAILING_QUERIED:
        return [answer_of(event, p, messages=10 + p) for p in range(PARTITIONS)]
    partition = message.partition()
    assert partition is not None
    mids = [event["mid"]] if event["mid"] else [5, 7, 9]
    return [answer_of(event, partition, mailings=[snapshot(event, partition, m) for m in mids])]
