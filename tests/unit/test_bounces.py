"""Whose address takes nothing is unsubscribed once, and what is in the way is waited for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from mailing_trigger.bounces import Bounces
from producers.contract.errors import Code, EntryError
from producers.errors import (
    ClientError,
    LogUnavailable,
    NotAcknowledged,
    Overloaded,
    RecipientRefused,
    UnknownRecipient,
)
from tests.support.sends import send

if TYPE_CHECKING:
    from collections.abc import Mapping


class Log:
    """Raises *errors* one after the other, and takes every change after them."""

    def __init__(self, *errors: ClientError) -> None:
        self.errors = list(errors)
        self.asked: list[tuple[int, Mapping[str, object], int | None]] = []

    async def change_recipient(
        self, orgid: int, fields: Mapping[str, object], *, rid: int | None = None
    ) -> None:
        self.asked.append((orgid, fields, rid))
        if self.errors:
            raise self.errors.pop(0)


def unsubscribed(log: Log, *numbers: int) -> tuple[list[bool], list[float]]:
    """Whether each of these was, and how long it was waited in between."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async def run() -> list[bool]:
        bounces = Bounces(log, sleep=sleep)
        return [await bounces.unsubscribe(send(number)) for number in numbers]

    return asyncio.run(run()), waited


def test_a_recipient_is_unsubscribed_once_however_many_messages_bounce() -> None:
    log = Log()
    assert unsubscribed(log, 0, 0, 1, 0) == ([True] * 4, [])
    whose = [(send(number).orgid, {"status": 0}, send(number).rid) for number in (0, 1)]
    assert log.asked == whose


@pytest.mark.parametrize(
    "error", [NotAcknowledged(answered=0, expected=1), UnknownRecipient(orgid=2)]
)
def test_what_is_in_the_log_or_about_nobody_is_not_said_again(error: ClientError) -> None:
    log = Log(error)
    assert unsubscribed(log, 0, 0) == ([True, True], [])
    assert len(log.asked) == 1


def test_a_log_that_is_away_is_tried_again_and_not_for_ever() -> None:
    away = LogUnavailable("away", produced=False)
    (done, waited) = unsubscribed(Log(away, Overloaded("busy"), away), 0)
    assert (done, len(waited)) == ([True], 3)
    assert waited == sorted(waited)
    log = Log(*[away] * 5)
    (done, waited) = unsubscribed(log, 0, 0)
    assert (done, len(waited)) == ([False, True], 4)
    assert len(log.asked) == 6


def test_a_refusal_is_told_at_once() -> None:
    log = Log(RecipientRefused([EntryError(0, None, Code.FAILED, "no")]))
    assert unsubscribed(log, 0) == ([False], [])
