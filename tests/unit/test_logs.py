"""What reaches the log, and how often."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mailing_trigger.logs import FieldFormatter, OnceInAWhile

if TYPE_CHECKING:
    import pytest

AWAY = "FAIL [rdkafka#producer-1] Connect to 127.0.0.1:9092 failed (after %dms)"


def record(message: str, *args: object) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": message, "args": args, "name": "mailing_trigger.client"})


def test_fields_follow_the_message() -> None:
    made = logging.makeLogRecord({"msg": "chunk applied", "n": 3, "levelname": "INFO"})
    assert FieldFormatter().format(made).endswith("chunk applied n=3")


def test_a_broker_that_is_away_is_logged_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("mailing_trigger.logs.time.monotonic", lambda: now[0])
    once = OnceInAWhile()

    said = [once.filter(record(AWAY, taken)) for taken in range(3)]
    now[0] += 31
    later = once.filter(record(AWAY, 7))

    assert (said, later) == ([True, False, False], True)


def test_our_own_lines_are_never_dropped() -> None:
    once = OnceInAWhile()
    assert all(once.filter(record("chunk applied")) for _ in range(3))
