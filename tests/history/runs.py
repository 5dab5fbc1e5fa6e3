"""Runs of several rounds: the short one of every change, the long one, and that of the mutants."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections import Counter
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from tests.history import evidence, peers, plans, report
from tests.history.mutants import MUTANTS
from tests.history.recovery import measure
from tests.history.round import run
from tests.history.series import series
from tests.history.soak import Sampler, write
from tests.history.system import broker_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.history.round import Plan, Verdict
    from tests.history.system import System
    from tests.support.proxied import Proxied

FIXED_SEED = "20240607"
SHORT_S = 40.0
ROUND_S = 120.0
ROUNDS = "rounds.jsonl"
_TRIES = 3


def short(directory: Path, seed: str | None) -> bool:
    """Run the telling faults, then any, then three mutants; return whether all is well."""
    chance = seed or secrets.token_hex(4)
    with broker_in(directory / "broker") as broker:
        verdicts = [
            one(plan, broker, directory / plan.seed)
            for plan in (plans.telling(FIXED_SEED), plans.any_faults(chance, SHORT_S))
        ]
        caught = [catch(name, broker, directory, tries=1) for name in plans.QUICK_MUTANTS]
    return all(verdict.word == "passed" for verdict in verdicts) and all(
        line["caught by"] for line in caught
    )


def long(directory: Path, seconds: float, seed: str | None) -> bool:
    """Run rounds until they have taken *seconds*, those of a run that was broken off included.

    Each round has a broker of its own; what a round leaves is its verdict and its series, and
    everything when it failed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    kept = directory / ROUNDS
    done = report.read(kept)
    seed = seed or (done[0]["seed"].rpartition("-")[0] if done else secrets.token_hex(4))
    try:
        while sum(each["seconds"] + each["check_s"] for each in done) < seconds:
            plan = plans.heavy(f"{seed}-{len(done) + 1}", ROUND_S)
            place = directory / plan.seed
            shutil.rmtree(place, ignore_errors=True)
            with broker_in(place / "broker") as broker:
                verdict = one(plan, broker, place)
            line = verdict.summary() | {"command": plans.command(plan), "at": time.time()}
            (directory / f"{plan.seed}.series.json").write_text(
                json.dumps(series(place / "history.jsonl")), "utf-8"
            )
            with kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            done.append(line)
            if verdict.word == "passed":
                shutil.rmtree(place)
    except KeyboardInterrupt:
        print("broken off; the same command goes on from here")
    finally:
        # Also when a round could not be judged: those before it were.
        total = report.total(done)
        total["missing"] = evidence.missing(total["evidence"])
        report.write(directory, total, done)
    return bool(done) and not total["breaches"] and not total["missing"]


def soak(directory: Path, seconds: float, seed: str | None) -> bool:
    """Run one long round and measure what stands; return whether every promise was kept."""
    place = directory / "round"
    shutil.rmtree(place, ignore_errors=True)
    samplers: list[Sampler] = []

    def watch(running: System) -> Sampler:
        samplers.append(Sampler(running))
        return samplers[0]

    with broker_in(place / "broker") as broker:
        plan = plans.soak(seed or secrets.token_hex(4), seconds)
        verdict = one(plan, broker, place, watch)
    write(directory, verdict, samplers[0])
    return verdict.word == "passed"


def mutants(directory: Path, names: Sequence[str]) -> bool:
    """Run workers with a bug each until the judge notices; return whether it always did."""
    with broker_in(directory / "broker") as broker:
        found = [catch(name, broker, directory) for name in names or MUTANTS]
    print(report.mutants_table(found))
    return all(line["caught by"] for line in found)


def compare(directory: Path, names: Sequence[str]) -> bool:
    """Let peers and ours work under the same faults; return whether ours kept everything."""
    with broker_in(directory / "broker") as broker:
        found = peers.run(broker, directory, names)
    print(peers.markdown(found))
    return all(each.kept for name, each in found.items() if name == peers.OURS)


def recovery(directory: Path, times: int, recipients: int) -> int:
    """Print how long partitions are without answers when their worker ends."""
    with broker_in(directory / "broker") as broker:
        for session_s in (3.0, 6.0):
            place = directory / f"session-{session_s:g}"
            found = measure(broker, place, times=times, session_s=session_s, recipients=recipients)
            print(json.dumps(found), flush=True)
    return 0


def catch(name: str, broker: Proxied, directory: Path, *, tries: int = _TRIES) -> dict[str, Any]:
    """Return how a mutant was caught, after up to *tries* rounds."""
    by: Counter[str] = Counter()
    number = 0
    while not by and number < tries:
        number += 1
        plan = plans.mutant(name, f"{name}-{number}")
        verdict = run(plan, broker, directory / plan.seed)
        by.update(verdict.breaches)
        print(f"mutant {name}: {dict(by) or 'not caught'}", flush=True)
    return {"mutant": name, "about": MUTANTS[name].about, "caught by": dict(by), "runs": number}


def one(
    plan: Plan,
    broker: Proxied,
    directory: Path,
    watch: Callable[[System], AbstractContextManager[object]] = nullcontext,
) -> Verdict:
    """Run a round and say how it went."""
    print(f"seed {plan.seed}: {plans.command(plan)}", flush=True)
    verdict = run(plan, broker, directory, watch)
    faults = sum(verdict.faults.values())
    print(
        f"seed {plan.seed}: {verdict.word.upper()}; {verdict.acknowledged:,} recipients "
        f"acknowledged, {faults} faults, healed in {verdict.healed_within_s} s, "
        f"{verdict.seconds:.0f} s and {verdict.check_s:.0f} s to judge",
        flush=True,
    )
    for name in verdict.missing:
        print(f"  void: no {name}")
    for invariant, times in verdict.breaches.items():
        print(f"  {invariant} broken {times} times, for example")
        for example in verdict.examples[invariant]:
            print(f"    {example}")
    if verdict.word != "passed":
        print(f"  everything of it is in {directory}", flush=True)
    return verdict
