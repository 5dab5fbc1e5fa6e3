"""How fast `mailing-trigger verify` compares an installation, and what memory it takes for that."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from bench import contestants
from bench.events import MID, ORGID, PARTITIONS
from bench.log import log_of
from bench.observer import Observer
from bench.processes import family, resident_bytes
from bench.report import Measured, span
from bench.runs import alive, new_place, running
from mailing_trigger import children
from mailing_trigger.settings import Settings, child_environment
from mailing_trigger.worker import cores
from producers import ClientSettings
from producers.sync import SyncTriggerClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.broker import Broker
    from bench.contestants import Place
    from bench.log import Log

_SHORT_EVENTS, _FULL_EVENTS = 500_000, 2_000_000
_SHORT_ROUNDS, _FULL_ROUNDS = 2, 3
_WITHIN_S = 600.0
_LOOK_EVERY_S = 0.1
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Recount:
    """One run of the command with so many *processes* over *events*, *recipients*, *acks*, *sends*.

    *resident_bytes* are the most that all processes together had at a time.
    """

    processes: int
    events: int
    recipients: int
    acks: int
    sends: int
    seconds: float
    cpu_s: float
    resident_bytes: int

    @property
    def rate(self) -> float:
        """Events a second, all that is compared with them among it."""
        return self.events / self.seconds


def measure(broker: Broker, tell: Callable[[str], None], *, full: bool) -> Measured:
    """Let a worker work off a log and send everything, then compare it some times."""
    runs: list[Recount] = []
    events = _FULL_EVENTS if full else _SHORT_EVENTS
    tell(f"verify: a log of {events:,} events is written")
    with log_of(broker, events) as log:
        place = new_place(log, broker)
        _work(log, place, broker, tell)
        for _ in range(_FULL_ROUNDS if full else _SHORT_ROUNDS):
            for processes in sorted({1, min(cores(), PARTITIONS)}):
                runs.append(_verify(place, processes))
                tell(f"verify: {_told(runs[-1])}")
        shutil.rmtree(place.folder, ignore_errors=True)
    return Measured([_table(runs)], [asdict(run) | {"events_per_s": run.rate} for run in runs])


def _told(run: Recount) -> str:
    return (
        f"{run.processes} processes, {run.seconds:.1f} s, {run.rate:,.0f} events/s, "
        f"{run.resident_bytes / _MIB:,.0f} MiB"
    )


def _work(log: Log, place: Place, broker: Broker, tell: Callable[[str], None]) -> None:
    """Have everything processed, the mailing invoked, and every message sent."""
    settings = ClientSettings(log.bootstrap_servers, topic_prefix=log.prefix)
    with running(contestants.WORKER, place) as worker, SyncTriggerClient(settings) as client:
        tell("verify: a worker works it off")
        seen = Observer(log, place.group, broker.pid)
        seen.wait(sum(log.ends.values()), check=alive(worker), within_s=_WITHIN_S)
        waiting = client.invoke(ORGID, MID).messages
        tell(f"verify: {waiting:,} messages are sent")
        deadline = time.monotonic() + _WITHIN_S
        while client.mailing(ORGID, MID).pending:
            assert time.monotonic() < deadline, "not everything was sent"
            alive(worker)()
            time.sleep(_LOOK_EVERY_S)


def _verify(place: Place, processes: int) -> Recount:
    settings = Settings(
        bootstrap_servers=place.bootstrap_servers,
        topic_prefix=place.prefix,
        processes=processes,
    )
    began, most = time.monotonic(), 0
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(
            [*children.command("verify"), "--json"],
            env=os.environ | child_environment(settings),
            stdout=said,
        ) as process:
            while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
                # Some of them may end meanwhile.
                with suppress(OSError):
                    most = max(most, sum(map(resident_bytes, family(process.pid))))
                time.sleep(_LOOK_EVERY_S)
            process.returncode = os.waitstatus_to_exitcode(ended[1])
        seconds = time.monotonic() - began
        said.seek(0)
        report = said.read()
    assert process.returncode == 0, report[-2000:]
    counts, used = json.loads(report)["counts"], ended[2]
    compared = (counts[each] for each in ("events", "recipients", "acks", "sends"))
    return Recount(processes, *compared, seconds, used.ru_utime + used.ru_stime, most)


def _table(runs: list[Recount]) -> Table:
    first = runs[0]
    table = Table(
        title="An installation verified",
        caption=f"{first.events:,} events, {first.recipients:,} recipients, {first.acks:,} answers "
        f"and {first.sends:,} sends",
    )
    for column in ("processes", "s", "events/s", "us CPU an event", "MiB"):
        table.add_column(column, justify="right", no_wrap=True)
    for processes in dict.fromkeys(run.processes for run in runs):
        those = [run for run in runs if run.processes == processes]
        table.add_row(
            str(processes),
            span([run.seconds for run in those]),
            span([run.rate for run in those], digits=0),
            span([run.cpu_s / run.events * 1e6 for run in those]),
            span([run.resident_bytes / _MIB for run in those], digits=0),
        )
    return table
