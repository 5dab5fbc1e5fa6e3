"""`python -m bench`: measure on this machine, print a table, keep the figures in bench/results."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from bench import backlog, big_call, report
from bench.broker import embedded
from bench.machine import describe


class Scenario(StrEnum):
    """What can be measured."""

    BACKLOG = "backlog"
    BIG_CALL = "big-call"


_ALL = list(Scenario)
_BACKLOG = backlog.Plan()
_BIG_CALL = big_call.Plan()


def main(
    scenarios: Annotated[
        list[Scenario] | None, typer.Argument(help="What to measure.", show_default="all")
    ] = None,
    events: Annotated[
        int, typer.Option(help="Events of the backlog.", min=1_000)
    ] = _BACKLOG.events,
    runs: Annotated[
        int, typer.Option(help="Runs of the worker and of the plain loop, in turn.", min=1)
    ] = _BACKLOG.runs,
    faust_events: Annotated[
        int, typer.Option(help="Events for stock Faust, which is slow; 0 leaves it out.", min=0)
    ] = _BACKLOG.faust_events,
    recipients: Annotated[
        int, typer.Option(help="Recipients of a big call.", min=1)
    ] = _BIG_CALL.recipients,
) -> None:
    """Measure the worker on a backlog beside a plain loop and stock Faust, and big calls.

    Everything runs here, on a broker of its own. Under 5 minutes on two idle cores; on a busy
    machine compare the ratios, which are of runs in turn.

    Example: python -m bench backlog --runs 5
    """
    console = Console()

    def tell(line: str) -> None:
        console.print(line, highlight=False)

    for name, value in describe().items():
        tell(f"{name}: {value}")
    chosen = scenarios or _ALL
    with embedded() as broker:
        if Scenario.BACKLOG in chosen:
            plan = backlog.Plan(events=events, runs=runs, faust_events=faust_events)
            done = backlog.run(plan, broker, tell)
            console.print(report.backlog_table(done))
            tell(f"kept in {report.write('backlog', report.backlog_figures(done, plan))}")
        if Scenario.BIG_CALL in chosen:
            result = big_call.run(big_call.Plan(recipients=recipients), broker, tell)
            console.print(report.big_call_table(result))
            for line in report.memory_lines(result):
                tell(line)
            tell(f"kept in {report.write('big-call', asdict(result))}")


if __name__ == "__main__":
    typer.run(main)
