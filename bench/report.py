"""The figures, as a table to read and as JSON to keep."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from bench.machine import describe

if TYPE_CHECKING:
    from bench import backlog, big_call

RESULTS = Path(__file__).parent / "results"
_MIB = 1024 * 1024


def backlog_table(runs: list[backlog.Run]) -> Table:
    """Return a row a contestant: slowest and fastest run, and CPU an event."""
    contestants = list(dict.fromkeys(run.contestant for run in runs))
    table = Table(
        title="A backlog worked off by one process",
        caption="; ".join(f"{each.name}: {each.guarantee}" for each in contestants),
    )
    table.add_column("")
    for column in ("runs", "events/s", "x loop", "us CPU", "us broker", "cores"):
        table.add_column(column, justify="right", no_wrap=True)
    loop = [run.seen.rate for run in runs if run.contestant.name == "plain loop"]
    for contestant in contestants:
        seen = [run.seen for run in runs if run.contestant is contestant]
        rates = [each.rate for each in seen]
        # Of the same round: what the machine did meanwhile, it did to both.
        ratios = [rate / other for rate, other in zip(rates, loop, strict=False)]
        table.add_row(
            contestant.name,
            str(len(seen)),
            f"{min(rates):,.0f}-{max(rates):,.0f}" if len(rates) > 1 else f"{rates[0]:,.0f}",
            _span(ratios, digits=2),
            _span([each.cpu_us for each in seen]),
            _span([each.broker_cpu_us for each in seen]),
            _span([each.busy for each in seen], digits=2),
        )
    return table


def big_call_table(result: big_call.Result) -> Table:
    """Return what big and small calls took."""
    table = Table(title=f"Calls of {result.recipients:,} recipients and of one, over HTTP")
    table.add_column("")
    for column in ("calls", "min", "p50", "p99", "max"):
        table.add_column(column, justify="right")
    for name, seconds in (
        (f"{result.recipients:,} recipients", result.big_s),
        ("one recipient, alone", result.small_alone_s),
        (f"one recipient, beside calls of {result.recipients:,}", result.small_beside_s),
    ):
        table.add_row(
            name,
            str(len(seconds)),
            *(f"{value * 1000:,.1f} ms" for value in _spread(seconds)),
        )
    return table


def memory_lines(result: big_call.Result) -> list[str]:
    """Return what the calls left in memory, a line a process."""
    return [
        f"memory of the {name} in MiB, at first, after each big call, after those with company: "
        + " ".join(f"{size / _MIB:.0f}" for size in sizes)
        for name, sizes in (("bridge", result.bridge_bytes), ("worker", result.worker_bytes))
    ]


def write(scenario: str, figures: object) -> Path:
    """Keep the figures of a run beside what they were measured on; return the file."""
    now = datetime.now(UTC)
    document = {"scenario": scenario, "at": now.isoformat(timespec="seconds"), **describe()}
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{scenario}-{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(document | {"figures": figures}, indent=1) + "\n", "utf-8")
    return path


def backlog_figures(runs: list[backlog.Run], plan: backlog.Plan) -> dict[str, object]:
    """Return every run as plain values."""
    return {
        "plan": asdict(plan),
        "runs": [
            {
                "contestant": run.contestant.name,
                "guarantee": run.contestant.guarantee,
                "events": run.events,
                "events_per_s": round(run.seen.rate),
                "cpu_us_per_event": round(run.seen.cpu_us, 2),
                "broker_cpu_us_per_event": round(run.seen.broker_cpu_us, 2),
                "cores": round(run.seen.busy, 3),
                "measured": {"events": run.seen.events, "seconds": round(run.seen.seconds, 3)},
                "load_before": run.load,
            }
            for run in runs
        ],
    }


def _spread(seconds: list[float]) -> tuple[float, float, float, float]:
    ordered = sorted(seconds)
    last = len(ordered) - 1
    return ordered[0], ordered[last // 2], ordered[round(last * 0.99)], ordered[-1]


def _span(values: list[float], *, digits: int = 1) -> str:
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low}-{high}"
