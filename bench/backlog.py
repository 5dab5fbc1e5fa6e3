"""A backlog of events, worked off by one contestant after the other on the same log."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from bench.log import log_of
from bench.report import span
from bench.runs import run as run_one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.broker import Broker
    from bench.contestants import Contestant
    from bench.runs import Run


_SLOW = 0.2  # of the log


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of what; *warm_up* events are not counted: a JVM compiles its code meanwhile.

    The slow ones, who work off a small share of the log, take part in the first round alone.
    """

    events: int = 2_000_000
    warm_up: int = 500_000
    rounds: int = 3
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Result:
    """The runs by round; *left_out* says who could not take part, and why."""

    plan: Plan
    rounds: list[list[Run]]
    left_out: dict[str, str]
    value_bytes: int


def run(
    plan: Plan, contestants: list[Contestant], broker: Broker, tell: Callable[[str], None]
) -> Result:
    """Run all in alternation: what the machine does meanwhile, it does to each of them."""
    left_out = {each.name: why for each in contestants if (why := each.missing())}
    for name, why in left_out.items():
        tell(f"{name}: left out, {why}")
    tell(f"making a log of {plan.events:,} events")
    rounds: list[list[Run]] = []
    with log_of(broker, plan.events, seed=plan.seed) as log:
        taking_part = [each for each in contestants if each.name not in left_out]
        for number in range(plan.rounds):
            rounds.append([])
            for contestant in _turn(taking_part, number):
                done = run_one(contestant, log, broker, warm_up=plan.warm_up)
                seen = done.seen
                tell(
                    f"{contestant.name}: {seen.rate:,.0f} events/s, {seen.cpu_us:.1f} us CPU, "
                    f"{seen.broker_cpu_us:.1f} us broker, load {done.load:.1f}"
                )
                rounds[-1].append(done)
        return Result(plan, rounds, left_out, log.value_bytes)


def _turn(contestants: list[Contestant], number: int) -> Iterator[Contestant]:
    # Every other round goes backwards, should there be an advantage in coming first.
    for contestant in contestants[:: -1 if number % 2 else 1]:
        if contestant.share > _SLOW or not number:
            yield contestant


def table(result: Result, title: str) -> Table:
    """Return a row a contestant: slowest and fastest run, and how the first one compares.

    Ratios are of runs of one round, rate by rate and CPU by CPU.
    """
    runs = [run for each in result.rounds for run in each]
    contestants = list(dict.fromkeys(run.contestant for run in result.rounds[0]))
    table = Table(
        title=title, caption="; ".join(f"{each.name}: {each.guarantee}" for each in contestants)
    )
    table.add_column("", no_wrap=True)
    first = contestants[0]
    columns = ("runs", "events/s", f"{first.name} is x", "us CPU", "its CPU is x", "us broker")
    for column in (*columns, "cores", "MiB"):
        table.add_column(column, justify="right", no_wrap=True)
    for contestant in contestants:
        seen = [run.seen for run in runs if run.contestant is contestant]
        pairs = list(_pairs(result, first, contestant))
        table.add_row(
            contestant.name,
            str(len(seen)),
            span([each.rate for each in seen], digits=0),
            span([ours.seen.rate / theirs.seen.rate for ours, theirs in pairs], digits=2),
            span([each.cpu_us for each in seen]),
            span([_cpu_ratio(ours, theirs) for ours, theirs in pairs], digits=2),
            span([each.broker_cpu_us for each in seen]),
            span([each.busy for each in seen], digits=2),
            span([each.resident_bytes / 2**20 for each in seen], digits=0),
        )
    return table


def figures(result: Result) -> dict[str, object]:
    """Return every run as plain values, and the ratios of each to the first contestant."""
    first = result.rounds[0][0].contestant
    names = {run.contestant.name: run.contestant for run in result.rounds[0]}
    return {
        "plan": asdict(result.plan),
        "value_bytes": result.value_bytes,
        "left_out": result.left_out,
        "rounds": [[run.figures() for run in each] for each in result.rounds],
        f"{first.name} is x times": {
            name: [
                round(ours.seen.rate / theirs.seen.rate, 3)
                for ours, theirs in _pairs(result, first, contestant)
            ]
            for name, contestant in names.items()
        },
    }


def _cpu_ratio(ours: Run, theirs: Run) -> float:
    # A run of a few milliseconds has used no tick of CPU.
    return ours.seen.cpu_us / (theirs.seen.cpu_us or math.nan)


def _pairs(result: Result, first: Contestant, other: Contestant) -> Iterator[tuple[Run, Run]]:
    for runs in result.rounds:
        by_contestant = {run.contestant: run for run in runs}
        if other in by_contestant:
            yield by_contestant[first], by_contestant[other]
