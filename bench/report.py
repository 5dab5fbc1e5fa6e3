"""The figures, as a table to read and as JSON to keep."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from bench.machine import describe

if TYPE_CHECKING:
    from bench import big_call

RESULTS = Path(__file__).parent / "results"
_MIB = 1024 * 1024
# Of the figures: grows when a reader of old files would misread them.
FORM = 2


@dataclass(frozen=True, slots=True)
class Measured:
    """What a scenario found: tables and lines to show, plain values to keep."""

    shown: list[Table | str]
    figures: object


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
    document = {
        "scenario": scenario,
        "form": FORM,
        "at": now.isoformat(timespec="seconds"),
        **describe(),
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{scenario}-{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(document | {"figures": figures}, indent=1) + "\n", "utf-8")
    return path


def _spread(seconds: list[float]) -> tuple[float, float, float, float]:
    ordered = sorted(seconds)
    last = len(ordered) - 1
    return ordered[0], ordered[last // 2], ordered[round(last * 0.99)], ordered[-1]


def span(values: list[float], *, digits: int = 1) -> str:
    """Return the smallest and the largest of *values*."""
    low, high = f"{min(values):,.{digits}f}", f"{max(values):,.{digits}f}"
    return low if low == high else f"{low}-{high}"
