"""``python -m tests.history``: short, long, mutants, or one round again."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from tests.history import runs
from tests.history.generator import Mix
from tests.history.mutants import MUTANTS
from tests.history.nemesis import FAULTS
from tests.history.peers import CONTESTANTS
from tests.history.round import Plan
from tests.history.system import broker_in
from tests.support.environment import forget_settings


def main() -> int:
    """Run what is asked for; return 0 when every promise was kept and something had happened."""
    parser = argparse.ArgumentParser(prog="python -m tests.history", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    short = commands.add_parser("short", help="two rounds and three mutants, in minutes")
    long = commands.add_parser("long", help="rounds of all faults, for an hour")
    long.add_argument("--minutes", type=float, default=60.0)
    long.add_argument("--directory", type=Path, default=Path(".data/crash-long"))
    soak = commands.add_parser("soak", help="do memory, files and threads grow in half an hour?")
    soak.add_argument("--minutes", type=float, default=30.0)
    soak.add_argument("--directory", type=Path, default=Path(".data/soak"))
    mutants = commands.add_parser("mutants", help="workers with a bug each")
    mutants.add_argument("names", nargs="*", choices=[[], *MUTANTS])
    peers = commands.add_parser("peers", help="what others lose under the same faults")
    peers.add_argument("names", nargs="*", choices=[[], *CONTESTANTS])
    recovery = commands.add_parser("recovery", help="time without answers when a worker ends")
    recovery.add_argument("--times", type=int, default=5)
    recovery.add_argument("--recipients", type=int, default=1_000_000, help="known before it")
    again = commands.add_parser("round", help="one round, as a run printed it")
    again.add_argument("--seconds", type=float, default=0.0)
    again.add_argument("--processes", type=int, default=16)
    again.add_argument("--pause", type=float, default=0.25)
    again.add_argument("--largest", type=int, default=1_000)
    again.add_argument("--large", type=int, default=3)
    again.add_argument("--first", action="append", default=[], choices=list(FAULTS))
    again.add_argument("--any", action="store_true", help="and faults that chance chooses")
    again.add_argument("--mutant", default="", choices=["", *MUTANTS])
    for each in (short, long, soak, again):
        each.add_argument("--seed", help="chance, unless given")
    asked = parser.parse_args()
    forget_settings()
    # Ended like by Ctrl-C, so that no process of ours is left.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if asked.command == "long":
        return not runs.long(asked.directory, 60 * asked.minutes, asked.seed)
    if asked.command == "soak":
        return not runs.soak(asked.directory, 60 * asked.minutes, asked.seed)
    directory = Path(tempfile.mkdtemp(prefix="history-"))
    if asked.command == "short":
        return not runs.short(directory, asked.seed)
    if asked.command == "mutants":
        return not runs.mutants(directory, asked.names)
    if asked.command == "peers":
        return not runs.compare(directory, asked.names)
    if asked.command == "recovery":
        return runs.recovery(directory, asked.times, asked.recipients)
    plan = Plan(
        seed=asked.seed or "1",
        seconds=asked.seconds,
        processes=asked.processes,
        pause_s=asked.pause,
        mix=Mix(asked.largest, asked.large),
        first=tuple(asked.first),
        names=tuple(FAULTS) if asked.any else (),
        needed=(),
        mutant=asked.mutant,
    )
    with broker_in(directory / "broker") as broker:
        return runs.one(plan, broker, directory / "round").word == "failed"


if __name__ == "__main__":
    sys.exit(main())
