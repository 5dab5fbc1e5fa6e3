"""Pictures of the newest results: ``python -m bench plot`` writes them to docs/images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from bench.report import FORM, RESULTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.axes import Axes

mpl.use("agg")
_IMAGES = Path(__file__).parents[1] / "docs" / "images"
_OURS, _PEERS = "#1f6f8b", "#b8b8b8"


def draw() -> list[Path]:
    """Draw every picture whose figures are there; return the files."""
    drawings = {
        "backlog": _throughput,
        "machine": _throughput,
        "latency": _latency,
        "growth": _growth,
    }
    _IMAGES.mkdir(parents=True, exist_ok=True)
    drawn = []
    for scenario, drawing in drawings.items():
        result = newest(scenario)
        if result is None:
            continue
        figure, axes = plt.subplots(figsize=(8, 4))
        drawing(axes, result["figures"])
        axes.spines[["top", "right"]].set_visible(False)
        commit = result["commit"].partition(" ")[0]
        figure.text(0.99, 0.01, f"{result['machine']}; {commit}", ha="right", size=7, color="gray")
        figure.tight_layout(rect=(0, 0.03, 1, 1))
        drawn.append(_IMAGES / f"{scenario}.png")
        figure.savefig(drawn[-1], dpi=150)
        plt.close(figure)
    return drawn


def newest(scenario: str) -> dict[str, Any] | None:
    """Return the last result of *scenario* whose form is today's."""
    for file in sorted(RESULTS.glob(f"{scenario}-2*.json"), reverse=True):
        result: dict[str, Any] = json.loads(file.read_text("utf-8"))
        if result["scenario"] == scenario and result.get("form") == FORM:
            return result
    return None


def _throughput(axes: Axes, figures: dict[str, Any]) -> None:
    rates = _by(
        (run["contestant"], run["events_per_s"]) for each in figures["rounds"] for run in each
    )
    names = sorted(rates, key=lambda name: max(rates[name]))
    for place, name in enumerate(names):
        low, high = min(rates[name]), max(rates[name])
        axes.barh(place, high, color=_OURS if "worker" in name else _PEERS)
        # From the slowest run to the fastest.
        axes.plot([low, high], [place, place], color="black", linewidth=1)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("events a second")


def _latency(axes: Axes, figures: dict[str, Any]) -> None:
    rows = sorted(figures["rows"], key=lambda row: row["rate"])
    over_http = [row for row in rows if row["what"] == "over HTTP"]
    for percentile, shade in (("p50", 1.0), ("p90", 0.7), ("p99", 0.4)):
        axes.plot(
            [row["rate"] for row in over_http],
            [row["latency_ms"][percentile] for row in over_http],
            color=_OURS,
            alpha=shade,
            marker="o",
            label=f"over HTTP, {percentile}",
        )
    for row in rows:
        if row["what"] != "over HTTP":
            between = [row["latency_ms"][percentile] for percentile in ("p50", "p99")]
            axes.plot([row["rate"]] * 2, between, color="black", linewidth=1, marker="_")
            axes.annotate(f" {row['what']}, p50 to p99", (row["rate"], between[1]), size=7)
    axes.set_yscale("log")
    axes.set_xlim(left=0)
    axes.set_xlabel(f"calls of one recipient a second; {figures['capacity']:,} are the capacity")
    axes.set_ylabel("ms from when a call was due to its answer")
    axes.legend()


def _growth(axes: Axes, figures: dict[str, Any]) -> None:
    runs = figures["runs"]
    for name in dict.fromkeys(run["contestant"] for run in runs):
        rates = _by(
            (run["known"], run["events_per_s"]) for run in runs if run["contestant"] == name
        )
        sizes = sorted(rates)
        axes.plot(sizes, [max(rates[size]) for size in sizes], marker="o", label=name)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("known recipients")
    axes.set_ylabel("events a second")
    axes.legend()


def _by(pairs: Iterable[tuple[Any, float]]) -> dict[Any, list[float]]:
    found: dict[Any, list[float]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found
