"""Does a process that lives long grow? Memory, files and threads under load and faults, as slopes.

The faults are those that end nothing of what is measured. The load is for people who are known
after the first minutes, so a table that grows with its people is no excuse.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import NormalDist, fmean, linear_regression
from typing import TYPE_CHECKING, Any

from bench.processes import resident_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.history.round import Verdict
    from tests.history.system import Place, System

# Of the time that was measured; queues, caches and pools have their size after it.
WARM_UP = 1 / 3
# Neighbouring samples say the same, so a line is laid through the means of so many spans.
BLOCKS = 20
MEASURES = {"rss_mib": "memory, MiB", "files": "open files", "threads": "threads"}
_EVERY_S = 2.0
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Trend:
    """A line through a measure: where it begins and ends, and its slope with a 95 % interval."""

    begin: float
    end: float
    per_hour: float
    low: float
    high: float


def trend(samples: Sequence[tuple[float, float]]) -> Trend | None:
    """Return the trend of (second, value) without the warm-up; None of too few samples."""
    after = samples[0][0] + WARM_UP * (samples[-1][0] - samples[0][0]) if samples else 0.0
    samples = [each for each in samples if each[0] >= after]
    if len(samples) < 2 * BLOCKS:
        return None
    size = len(samples) / BLOCKS
    blocks = [samples[int(n * size) : int((n + 1) * size)] for n in range(BLOCKS)]
    hours = [fmean(s for s, _ in block) / 3600 for block in blocks]
    values = [fmean(value for _, value in block) for block in blocks]
    line = linear_regression(hours, values)
    middle, free = fmean(hours), BLOCKS - 2
    spread = sum((hour - middle) ** 2 for hour in hours)
    rest = sum(
        (value - line.intercept - line.slope * hour) ** 2
        for hour, value in zip(hours, values, strict=True)
    )
    margin = _student(0.975, free) * (rest / free / spread) ** 0.5
    ends = (round(line.intercept + line.slope * hour, 2) for hour in (hours[0], hours[-1]))
    slopes = (round(line.slope + more, 2) for more in (0, -margin, margin))
    return Trend(*ends, *slopes)


def _student(share: float, free: int) -> float:
    """Return Student's quantile, by its expansion about the normal one (right to 0.001 here)."""
    z = NormalDist().inv_cdf(share)
    return z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)


@dataclass(slots=True)
class Sampler:
    """Looks at the standing processes of *system* every few seconds until the block ends."""

    system: System
    # Of each place: the second, its process, and its measures.
    samples: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    _ending: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Sampler:
        self._thread = threading.Thread(target=self._run, name="sampler")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._thread is not None
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(_EVERY_S):
            for place in self.system.places:
                found = _look(place)
                if found is not None:
                    self.samples.setdefault(place.name, []).append(found)


def _look(place: Place) -> dict[str, float] | None:
    if place.process is None:
        return None
    pid = place.process.pid
    try:
        return {
            "s": round(time.monotonic(), 2),
            "pid": pid,
            "rss_mib": round(resident_bytes(pid) / _MIB, 2),
            "files": sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
            "threads": sum(1 for _ in Path(f"/proc/{pid}/task").iterdir()),
        }
    except (FileNotFoundError, ProcessLookupError):
        return None


def trends(samples: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, Trend | None]]:
    """Return each place's trends, of the process that it ended with."""
    found = {}
    for place, all_of_it in samples.items():
        last = [each for each in all_of_it if each["pid"] == all_of_it[-1]["pid"]]
        found[place] = {
            name: trend([(each["s"], each[name]) for each in last]) for name in MEASURES
        }
    return found


def write(directory: Path, verdict: Verdict, sampler: Sampler) -> None:
    """Write and print what was measured."""
    found = trends(sampler.samples)
    document: dict[str, Any] = {
        "verdict": verdict.summary(),
        "trends": {
            place: {name: line and asdict(line) for name, line in of_place.items()}
            for place, of_place in found.items()
        },
        "samples": sampler.samples,
    }
    (directory / "soak.json").write_text(json.dumps(document) + "\n", "utf-8")
    text = markdown(verdict, found)
    (directory / "soak.md").write_text(text, "utf-8")
    print(f"{text}\nThe samples are in {directory / 'soak.json'}")


def markdown(verdict: Verdict, found: dict[str, dict[str, Trend | None]]) -> str:
    """Return the report."""
    faults = sum(verdict.faults.values())
    opening = (
        f"{verdict.seconds / 60:.0f} minutes under load and {faults} faults of "
        f"{len(verdict.faults)} kinds, {verdict.acknowledged:,} recipients acknowledged; promises "
        f"broken: {verdict.breaches or 'none'}; ended by themselves: "
        f"{verdict.ended_by_themselves or 'none'}. The first third is left out."
    )
    lines = [
        "# Soak",
        "",
        opening,
        "",
        "| process | measure | from | to | an hour | 95 % interval |",
        "|---|---|---|---|---|---|",
    ]
    for place, of_place in found.items():
        for name, line in of_place.items():
            text = "too few samples | | |"
            if line is not None:
                text = (
                    f"{line.begin:,.1f} | {line.end:,.1f} | {line.per_hour:+,.1f} | "
                    f"{line.low:+,.1f} to {line.high:+,.1f} |"
                )
            lines.append(f"| {place} | {MEASURES[name]} | {text}")
    return "\n".join(lines) + "\n"
