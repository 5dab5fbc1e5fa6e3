"""``make simulate``: ten thousand schedules, or one again.

make simulate                         # 10,000 schedules of a new seed, and all that are near
make simulate ARGS="--seed 7"         # the same schedules again
make simulate ARGS="few 60:2,75:3"    # one schedule, with every step of it
"""

from __future__ import annotations

import argparse
import logging
import secrets
import sys
import time
from collections import Counter

from hypothesis import HealthCheck, Phase, given, seed, settings
from rich.progress import Progress, track

from tests.simulation import strategies
from tests.simulation.explore import SCENARIOS, Broken, nearest, run
from tests.simulation.schedule import Schedule
from tests.simulation.scheduler import Actor, Scheduler


def main() -> int:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(prog="make simulate")
    parser.add_argument("scenario", nargs="?", choices=sorted(SCENARIOS))
    parser.add_argument("schedule", nargs="?", default="")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    parser.add_argument("--count", type=int, default=10_000)
    args = parser.parse_args()
    try:
        if args.scenario is not None:
            _again(args.scenario, args.schedule)
        else:
            _many(args.seed, args.count)
    except Broken as exc:
        print(f"BROKEN: {exc}")
        return 1
    return 0


def _many(number: int, count: int) -> None:
    print(f"seed {number}; the same again: make simulate ARGS='--seed {number} --count {count}'")
    saw: Counter[str] = Counter()
    began = time.monotonic()
    everything = [(name, near.schedule) for name in SCENARIOS for near in nearest(name)]
    for one in track(everything, "one deviation"):
        saw.update(run(*one).keys())
    print(f"{len(everything)} schedules with one deviation: all is kept")

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategies.runs())
    def drawn(one: tuple[str, Schedule]) -> None:
        saw.update(run(*one).keys())
        progress.advance(task)

    with Progress() as progress:
        task = progress.add_task("drawn", total=count)
        drawn()
    print(f"{count} drawn schedules: all is kept; {time.monotonic() - began:.0f} s. Runs that saw")
    for what, times in saw.most_common():
        print(f"  {times:6} {what}")


def _again(name: str, text: str) -> None:
    logging.basicConfig(stream=sys.stdout, format="      %(message)s")
    logging.getLogger("mailing_trigger").setLevel(logging.INFO)
    step = Scheduler._step

    def told(self: Scheduler, actor: Actor) -> None:
        number = len(self.schedule.decisions)
        print(f"{number:5} {self.now - 1000:8.3f} s  {actor.name} {getattr(actor, 'what', '')}")
        step(self, actor)

    Scheduler._step = told  # type: ignore[method-assign]
    run(name, Schedule.of(text), loud=True)
    print("all is kept")


if __name__ == "__main__":
    sys.exit(main())
