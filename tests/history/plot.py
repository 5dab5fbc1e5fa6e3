"""A round as a picture: latency, lag and answers over time, with the faults as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from pathlib import Path

_ENDS = {"ok": "tab:green", "info": "tab:orange", "fail": "tab:red"}


def draw(found: dict[str, Any], path: Path) -> None:
    """Draw a series to *path*."""
    figure, (latency, lag, ends) = plt.subplots(3, 1, figsize=(12, 9), sharex=True)
    for name, style in (("p99_ms", ":"), ("median_ms", "-")):
        at = sorted(found[name], key=int)
        label = name.removesuffix("_ms")
        latency.plot(list(map(int, at)), [found[name][x] for x in at], style, label=label)
    latency.set_yscale("log")
    latency.set_ylabel("a call takes, ms")
    latency.legend(loc="upper right")
    at = sorted(found["lag"], key=int)
    lag.plot(list(map(int, at)), [found["lag"][x] for x in at])
    lag.set_ylabel("events not committed")
    for kind, colour in _ENDS.items():
        at = sorted(found["ends"], key=int)
        ends.plot(
            list(map(int, at)),
            [found["ends"][x].get(kind, 0) for x in at],
            color=colour,
            label=kind,
        )
    ends.set_ylabel("calls ended in a second")
    ends.set_xlabel("s")
    ends.legend(loc="upper right")
    for number, (name, begin, end) in enumerate(found["faults"]):
        for axes in (latency, lag, ends):
            axes.axvspan(begin, end, alpha=0.15, color="tab:red", lw=0)
        latency.annotate(
            name,
            (begin, 1 - 0.06 * (number % 4)),
            xycoords=("data", "axes fraction"),
            fontsize=6,
            va="top",
        )
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)
