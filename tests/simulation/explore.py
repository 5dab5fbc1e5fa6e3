"""Running schedules, all that are near the fair one or any that somebody draws."""

from __future__ import annotations

import logging
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, NamedTuple

from tests.simulation.check import check
from tests.simulation.schedule import Schedule
from tests.simulation.workload import changing, few, poisoned
from tests.simulation.world import Scenario, World

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

SCENARIOS = {
    "few": Scenario(few()),
    "two": Scenario(few(), workers=2),
    "poisoned": Scenario(poisoned()),
    "changing": Scenario(changing()),
}
# More decisions than a run without faults meets, more options than any of them has.
DECISIONS = {"few": 500, "two": 550, "poisoned": 600, "changing": 700}
OPTIONS = 10


class Broken(AssertionError):
    """A promise was broken; says how to see it again."""

    def __init__(self, name: str, schedule: Schedule, what: str) -> None:
        self.what = what
        steps = "".join(f"\n    {each}" for each in schedule.told)
        repeat = f"make simulate ARGS='{name} {schedule.text}'"
        super().__init__(f"{what}\n  because, in {name},{steps or ' nothing'}\n  repeat: {repeat}")


def run(name: str, schedule: Schedule, *, loud: bool = False) -> Counter[str]:
    """Run a schedule in the scenario called *name*; return what was seen, or raise Broken."""
    world = World(SCENARIOS[name], schedule)
    try:
        with nullcontext() if loud else quiet():
            world.run()
        check(world)
    except Exception as exc:
        what = str(exc).partition("\n")[0] or type(exc).__name__
        raise Broken(name, schedule, what) from exc
    return world.broker.saw


@contextmanager
def quiet() -> Iterator[None]:
    """Let the worker warn of nothing: all that happens to it is on purpose."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


class Near(NamedTuple):
    """A schedule with one deviation, and which."""

    schedule: Schedule
    what: str


def nearest(name: str) -> list[Near]:
    """Return every schedule that differs from the fair one in one decision."""
    fair = Schedule()
    with quiet():
        World(SCENARIOS[name], fair).run()
    return [
        Near(Schedule({number: option}), f"{what}: {decision.about}")
        for number, decision in enumerate(fair.decisions)
        for option, what in enumerate(decision.options)
        if option
    ]
