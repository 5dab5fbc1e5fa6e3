"""A round over time, a second at a time: latency, lag, answers, faults; what plots are made of."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from tests.history.record import lines

if TYPE_CHECKING:
    from pathlib import Path


def series(history: Path) -> dict[str, Any]:
    """Return what happened in each second since the first line, and the spans of the faults."""
    begun: dict[tuple[int, int], int] = {}
    open_faults: dict[str, float] = {}
    faults: list[tuple[str, float, float]] = []
    waits: dict[int, list[float]] = defaultdict(list)
    ends: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    lag: dict[int, int] = {}
    start = None
    for line in lines(history):
        start = line["ns"] if start is None else start
        at = (line["ns"] - start) / 1e9
        kind = line["type"]
        if kind == "invoke":
            begun[line["call"], line["process"]] = line["ns"]
        elif kind == "begin":
            open_faults[line["f"]] = at
        elif kind == "end":
            faults.append((line["f"], round(open_faults.pop(line["f"], at), 2), round(at, 2)))
        elif kind == "seen":
            behind = (line["ends"][p] - line["committed"].get(p, 0) for p in line["ends"])
            lag[int(at)] = max(lag.get(int(at), 0), sum(behind))
        elif "call" in line:
            waits[int(at)].append((line["ns"] - begun[line["call"], line["process"]]) / 1e6)
            ends[int(at)][kind] += 1
    return {
        "faults": faults,
        "seconds": sorted(waits.keys() | lag.keys()),
        "median_ms": {at: _quantile(ms, 0.5) for at, ms in waits.items()},
        "p99_ms": {at: _quantile(ms, 0.99) for at, ms in waits.items()},
        "ends": {at: dict(each) for at, each in ends.items()},
        "lag": lag,
    }


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 1)
