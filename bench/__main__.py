"""`python -m bench`: measure on this machine, print tables, keep the figures in bench/results."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bench import (
    big_call,
    bridge_capacity,
    drain,
    growth,
    latency,
    mailings,
    overload,
    report,
    restore,
    throughput,
    verify,
)
from bench.broker import embedded
from bench.machine import describe
from bench.report import Measured

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.broker import Broker


def _big_call(broker: Broker, tell: Callable[[str], None], *, full: bool) -> Measured:
    del full
    result = big_call.run(big_call.Plan(), broker, tell)
    return Measured([report.big_call_table(result), *report.memory_lines(result)], asdict(result))


# A scenario is a function of (broker, tell, full=...) that returns what it measured.
SCENARIOS = {
    "backlog": throughput.one_core,
    "one-core": throughput.one_core_warm,
    "rocksdb": throughput.rocksdb,
    "machine": throughput.machine,
    "scale-out": throughput.scale_out,
    "growth": growth.measure,
    "mailings": mailings.measure,
    "drain": drain.measure,
    "restore": restore.measure,
    "verify": verify.measure,
    "big-call": _big_call,
    "bridge": bridge_capacity.measure,
    "latency": latency.measure,
    "overload": overload.measure,
}
# What `make bench` runs, in less than five minutes on two idle cores.
SHORT = ("backlog",)
PLOT = "plot"
_WIDTH = 140


def main(
    scenarios: Annotated[
        list[str] | None,
        typer.Argument(help=f"What to measure: {', '.join(SCENARIOS)}; or {PLOT}: draw what was."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Everything, and more of it: takes about an hour.")
    ] = False,
) -> None:
    """Measure the worker beside its peers, on a broker of its own.

    Without names: the short set in less than five minutes, or all with --full. On a busy machine
    compare the ratios, which are of runs in turn.

    Example: python -m bench backlog --full
    """
    # A table squeezed into the 80 columns of a pipe cannot be read.
    console = Console(width=max(Console().width, _WIDTH))

    def tell(line: str) -> None:
        console.print(line, highlight=False)

    if scenarios == [PLOT]:
        # Of the extra `bench`, which measuring does not need.
        from bench import plot  # noqa: PLC0415

        for file in plot.draw():
            tell(str(file))
        return
    names = scenarios or list(SCENARIOS if full else SHORT)
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]} is none of {', '.join(SCENARIOS)}")
    for name, value in describe().items():
        tell(f"{name}: {value}")
    with embedded() as broker:
        for name in names:
            measured = SCENARIOS[name](broker, tell, full=full)
            for part in measured.shown:
                console.print(part, highlight=False)
            tell(f"kept in {report.write(name, measured.figures)}")


if __name__ == "__main__":
    typer.run(main)
