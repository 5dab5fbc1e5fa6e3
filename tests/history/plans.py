"""The rounds there are: which load, which faults, how long."""

from __future__ import annotations

import random
import shlex
from dataclasses import replace

from tests.history import faults_network
from tests.history.generator import Mix
from tests.history.mutants import MUTANTS
from tests.history.nemesis import FAULTS
from tests.history.round import Plan

# With these everything of `evidence.NEEDED` happens, whatever the seed.
TELLING = (
    "kill between produce and commit",
    "kill between answer and transaction",
    "kill during an invocation",
    "kill between two slices of an invocation",
    "kill during restore",
    "zombie with an open transaction",
    "frozen during restore",
    "kill worker",
)
# What ends or replaces none of the processes that stand. Not a broker that pauses or names no
# brokers: librdkafka may lose all of them for good then, and its user ends or is replaced.
HARMLESS = (
    *(name for name in faults_network.FAULTS if name != "no brokers named"),
    "rebalance storm",
    "kill between produce and commit",
    "kill between answer and transaction",
    "callers cut off",
    "clock jumps",
    "worker stutters",
)
# Caught without any fault, so in seconds.
QUICK_MUTANTS = ("swaps-two-ids", "drops-a-send-in-a-thousand", "leaves-the-org-out")


def telling(seed: str) -> Plan:
    """Return a round of the faults that tell most, under a light load."""
    return Plan(seed=seed, seconds=0, processes=12, pause_s=0.4, mix=Mix(300), first=TELLING)


def any_faults(seed: str, seconds: float) -> Plan:
    """Return a short round of faults that chance chooses; it may well prove nothing by itself."""
    return replace(telling(seed), seconds=seconds, first=(), names=tuple(FAULTS), needed=())


def heavy(seed: str, seconds: float) -> Plan:
    """Return a round of a long run: some of the telling faults, then any, under more load."""
    rng = random.Random(f"{seed} plan")
    return Plan(
        seed=seed,
        seconds=seconds,
        processes=28,
        first=tuple(rng.sample(TELLING, 3)),
        names=tuple(FAULTS),
        pause_s=0.15,
        mix=Mix(large=6),
        needed=(),
    )


def soak(seed: str, seconds: float) -> Plan:
    """Return a long round of faults that end nothing that stands, and of calls that leave nothing.

    A key is remembered for a day, and a mailing, a person for ever: they would be taken for a leak.
    """
    return Plan(
        seed=seed,
        seconds=seconds,
        processes=12,
        names=HARMLESS,
        mix=Mix(100, large=0, keyed=0, new=0, closing=False),
        needed=(),
    )


def mutant(name: str, seed: str) -> Plan:
    """Return a round of workers with a bug."""
    return Plan(
        seed=seed,
        seconds=0,
        processes=12,
        quiet_s=14.0,
        first=MUTANTS[name].faults,
        needed=(),
        mutant=name,
    )


def command(plan: Plan) -> str:
    """Return the command that repeats a round."""
    if plan.names == HARMLESS:
        minutes = f"{plan.seconds / 60:g}"
        return f"python -m tests.history soak --minutes {minutes} --seed {shlex.quote(plan.seed)}"
    words = ["python", "-m", "tests.history", "round", "--seed", plan.seed]
    words += ["--seconds", f"{plan.seconds:g}", "--processes", str(plan.processes)]
    words += ["--pause", f"{plan.pause_s:g}", "--largest", str(plan.mix.largest)]
    words += ["--large", str(plan.mix.large)]
    for name in plan.first:
        words += ["--first", name]
    if plan.names:
        words.append("--any")
    if plan.mutant:
        words += ["--mutant", plan.mutant]
    return shlex.join(words)
