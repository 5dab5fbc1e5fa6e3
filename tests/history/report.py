"""A long run in figures: what was acknowledged, what was broken, what that bounds."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rounds that were kept."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def total(rounds: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the sums over *rounds*."""
    rounds = list(rounds)
    healed = sorted(each["healed_within_s"] for each in rounds) or [0.0]
    acknowledged = sum(each["acknowledged"] for each in rounds)
    return {
        "rounds": len(rounds),
        "hours": round(sum(each["seconds"] for each in rounds) / 3600, 2),
        "acknowledged": acknowledged,
        # With none lost of N, at most 3/N are at 95 %.
        "lost_at_most": 3 / acknowledged if acknowledged else 1.0,
        "faults": _sum(rounds, "faults"),
        "faults_failed": _sum(rounds, "faults_failed"),
        "attempts": _sum(rounds, "attempts"),
        "evidence": _sum(rounds, "evidence"),
        "breaches": _sum(rounds, "breaches"),
        "ended_by_themselves": _sum(rounds, "ended_by_themselves"),
        "events": sum(each["events"] for each in rounds),
        "sends": sum(each["sends"] for each in rounds),
        "healed_s": {"median": healed[len(healed) // 2], "longest": healed[-1]},
    }


def write(directory: Path, found: dict[str, Any], rounds: Sequence[dict[str, Any]]) -> None:
    """Write the summary, the report, and a picture of each round where matplotlib is there."""
    (directory / "summary.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    text = markdown(found)
    pictures = _draw(directory, rounds)
    text += "".join(f"\n![{name}]({name})\n" for name in pictures)
    (directory / "report.md").write_text(text, "utf-8")
    print(f"{text}\nThe report is {directory / 'report.md'}")


def markdown(found: dict[str, Any]) -> str:
    """Return the report."""
    faults, breaches = found["faults"], found["breaches"] or "none"
    opening = (
        f"{found['rounds']} rounds, {found['hours']} hours under load and faults. "
        f"**{found['acknowledged']:,} recipients acknowledged**, {found['events']:,} events in "
        f"the log, {found['sends']:,} messages sent. Promises broken: {breaches}. With none lost, "
        f"at 95 % fewer than {found['lost_at_most']:.1e} of all are (3/N)."
    )
    healing = (
        f"{sum(faults.values())} faults of {len(faults)} kinds; everything answered again "
        f"{found['healed_s']['median']} s (median) after the last of a round, at the longest "
        f"{found['healed_s']['longest']} s."
    )
    lines = [
        "# History checker: a long run",
        "",
        opening,
        "",
        healing,
        "",
        "| fault | times |",
        "|---|---|",
        *(f"| {name} | {times} |" for name, times in sorted(faults.items())),
        "",
        "| seen | times |",
        "|---|---|",
        *(f"| {name} | {times:,} |" for name, times in found["evidence"].items()),
        "",
    ]
    if found.get("missing"):
        lines.append(f"**Void**, for nothing was seen of: {', '.join(found['missing'])}.")
    return "\n".join(lines)


def mutants_table(found: Iterable[dict[str, Any]]) -> str:
    """Return the table of mutants."""
    lines = ["| mutant | what it does | caught by | runs |", "|---|---|---|---|"]
    for each in found:
        by = ", ".join(each["caught by"]) or "**not caught**"
        lines.append(f"| {each['mutant']} | {each['about']} | {by} | {each['runs']} |")
    return "\n".join(lines)


def _sum(rounds: Iterable[dict[str, Any]], name: str) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for each in rounds:
        counts.update(each[name])
    return dict(counts)


def _draw(directory: Path, rounds: Sequence[dict[str, Any]]) -> list[str]:
    try:
        from tests.history.plot import draw
    except ImportError:
        return []
    pictures = []
    for each in rounds:
        data = directory / f"{each['seed']}.series.json"
        if data.exists():
            draw(json.loads(data.read_text("utf-8")), data.with_suffix(".png"))
            pictures.append(data.with_suffix(".png").name)
    return pictures
