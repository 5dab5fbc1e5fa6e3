"""How often a message is tried, and what happens while an outlet takes nothing."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from mailing_trigger.delivery.errors import DeliveryError, Later, Refused, Unavailable
from mailing_trigger.delivery.handover import Handover, Underway
from mailing_trigger.delivery.message import Content
from mailing_trigger.delivery.outage import Outage
from mailing_trigger.delivery.settings import Patience
from mailing_trigger.errors import CommandError
from tests.support.sends import send

if TYPE_CHECKING:
    from mailing_trigger.delivery.message import Send

PATIENCE = Patience(tries=4, first_pause_s=2.0, longest_pause_s=5.0, outage_s=60.0)


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds


class Scripted:
    """An outlet that answers what it was told to, then takes everything."""

    def __init__(self, *answers: DeliveryError) -> None:
        self.answers = list(answers)
        self.calls = 0

    async def deliver(self, _: Send, __: Content) -> None:
        self.calls += 1
        if self.answers:
            raise self.answers.pop(0)

    async def close(self) -> None:
        """Nothing is open."""


def deliver(outlet: Scripted, clock: Clock, underway: Underway | None = None) -> None:
    outage = Outage("outlet", PATIENCE.outage_s, now=clock.now, sleep=clock.sleep)
    handover = Handover(outlet, outage, PATIENCE, sleep=clock.sleep)
    asyncio.run(handover.deliver(send(), Content(plain="x"), underway or Underway()))


def test_a_message_is_tried_again_after_pauses_that_grow_and_are_never_alike() -> None:
    outlet, clock = Scripted(*[Later("SMTP_451")] * 3), Clock()
    deliver(outlet, clock)
    assert outlet.calls == 4
    for slept, longest in zip(clock.slept, (2.0, 4.0, 5.0), strict=True):
        assert longest / 2 <= slept <= longest
    assert len(set(clock.slept)) == 3


def test_after_the_last_try_the_message_is_given_up() -> None:
    outlet, underway = Scripted(*[Later("SMTP_451")] * 9), Underway()
    with pytest.raises(Later):
        deliver(outlet, Clock(), underway)
    assert outlet.calls == underway.tries == PATIENCE.tries


def test_what_is_refused_is_not_tried_again() -> None:
    outlet, clock = Scripted(Refused("SMTP_550")), Clock()
    with pytest.raises(Refused):
        deliver(outlet, clock)
    assert (outlet.calls, clock.slept) == (1, [])


def test_an_outage_costs_no_message_a_try(caplog: pytest.LogCaptureFixture) -> None:
    outlet, clock, underway = Scripted(*[Unavailable("SMTP_SILENT")] * 7), Clock(), Underway()
    with caplog.at_level(logging.WARNING, "mailing_trigger.deliver"):
        deliver(outlet, clock, underway)
    assert (outlet.calls, underway.tries) == (8, 1)
    assert [record.getMessage() for record in caplog.records] == [
        "the outlet takes nothing (SMTP_SILENT): everything waits",
        "the outlet answers again",
    ]


def test_an_outlet_that_takes_nothing_for_too_long_ends_the_deliverer() -> None:
    outlet, clock = Scripted(*[Unavailable("SMTP_535", "personal")] * 10_000), Clock()
    with pytest.raises(CommandError, match=r"SMTP_535.*nothing is lost") as raised:
        deliver(outlet, clock)
    assert "personal" not in str(raised.value)
    assert PATIENCE.outage_s < clock.now_s < 3 * PATIENCE.outage_s
    assert outlet.calls < 30


def test_others_wait_while_an_outlet_is_out() -> None:
    clock = Clock()
    outage = Outage("outlet", 60.0, now=clock.now, sleep=clock.sleep)
    asyncio.run(outage.wait())
    assert clock.slept == []
    outage.failed(Unavailable("HOOK_SILENT"))
    clock.now_s += 20
    asyncio.run(outage.wait())
    assert 10.0 <= clock.slept[0] <= 20.0
    outage.over()
    asyncio.run(outage.wait())
    assert len(clock.slept) == 1
