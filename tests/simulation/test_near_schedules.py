"""Every schedule that differs from the fair one in one decision: all of them, each time."""

from __future__ import annotations

from collections import Counter

from tests.simulation.explore import SCENARIOS, nearest, run
from tests.simulation.schedule import Schedule
from tests.simulation.world import World

# What has to have happened in some of them, or they prove nothing.
SOMETIMES = {
    "two transactions' worth in flight",
    "event folded again",
    "zombie write refused",
    "fenced producer refused",
    "transaction aborted",
    "commit of unknown outcome, applied",
    "commit of unknown outcome, not applied",
    "delivery of replies failed",
    "delivery of effects failed",
    "rebalance during restore",
    "restore met a transaction without its marker",
    "offset unstable",
    "crash during restore",
    "crash between produce and commit",
    "crash between acks and commit",
    "late write arrived",
    "drain slice interrupted",
    "shipper given up",
}

EVENTS = {
    "a state forbade a step",
    "a trigger was told SUPPRESSED",
    "a trigger was told MAILING_CLOSED",
    "an SMS was sent",
}


def test_every_promise_is_kept_whatever_happens_once() -> None:
    saw: Counter[str] = Counter()
    near = nearest("few")
    for each in near:
        saw.update(run("few", each.schedule).keys())
    assert len(near) > 1000
    assert SOMETIMES - saw.keys() == set()


def test_every_event_of_mailings_recipients_and_keys_does_what_it_is_there_for() -> None:
    assert EVENTS - run("changing", Schedule()).keys() == set()


def test_one_schedule_is_one_run() -> None:
    def told(text: str) -> object:
        schedule = Schedule.of(text)
        world = World(SCENARIOS["few"], schedule).run()
        logs = {place: [r[:4] for r in log.records] for place, log in world.broker.logs.items()}
        return schedule.decisions, logs, world.broker.offset_history

    text = "60:3,140:1,200:4"
    assert told(text) == told(text)
    assert told(text) != told("")
