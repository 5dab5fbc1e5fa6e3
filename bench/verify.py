"""How fast `mailing-trigger verify` compares an installation, and what memory it takes for that."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from bench import contestants
from bench.events import MID, ORGID, PARTITIONS
from bench.log import log_of, produce
from bench.observer import Observer
from bench.report import Measured, span
from bench.runs import alive, new_place, running
from mailing_trigger import children
from mailing_trigger.settings import Settings, child_environment
from schemas.codec import Codec
from schemas.ids import mailing_key
from schemas.partition import partition_for
from schemas.records import MAILING_INVOKED, Origin

if TYPE_CHECKING:
    from collections.abc import Callable
    from resource import struct_rusage

    from bench.broker import Broker
    from bench.contestants import Place
    from bench.log import Log

_SHORT_EVENTS, _FULL_EVENTS = 1_000_000, 2_000_000
_ROUNDS = 3
_WITHIN_S = 600.0
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Recount:
    """One run of the command over *events*, *recipients*, *acks* and *sends*."""

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
    runs = []
    with log_of(broker, _FULL_EVENTS if full else _SHORT_EVENTS) as log:
        place = new_place(log, broker)
        _work(log, place, broker)
        for _ in range(_ROUNDS):
            runs.append(_verify(place))
            tell(f"verify: {runs[-1].rate:,.0f} events/s, {runs[-1].resident_bytes / _MIB:.0f} MiB")
        shutil.rmtree(place.folder, ignore_errors=True)
    return Measured([_table(runs)], [asdict(run) | {"events_per_s": run.rate} for run in runs])


def _work(log: Log, place: Place, broker: Broker) -> None:
    """Have everything processed, the mailing invoked, and every message sent."""
    call = {"request_id": "invocation", "index": 0, "reply_partition": -1}
    event = {"orgid": ORGID, "mid": MID, "origin": Origin.REQUEST, "revision": 0, "invocation": 0}
    key = mailing_key(ORGID, MID)
    record = partition_for(key, PARTITIONS), key, Codec().encode(MAILING_INVOKED, event | call)
    ends = dict.fromkeys(range(PARTITIONS), 0)
    produce(log.bootstrap_servers, log.topic, [record], ends)
    # Everywhere else it comes as a copy.
    events = sum(log.ends.values()) + PARTITIONS
    with running(contestants.WORKER, place) as worker:
        Observer(log, place.group, broker.pid).wait(events, check=alive(worker), within_s=_WITHIN_S)
        # What is still being sent needs no more events: the recount says when it is over.
        deadline = time.monotonic() + _WITHIN_S
        while _verified(place)[0]["counts"].get("sends_not_yet", 0):
            assert time.monotonic() < deadline, "not everything was sent"


def _verified(place: Place) -> tuple[dict[str, dict[str, int]], struct_rusage, float]:
    settings = Settings(bootstrap_servers=place.bootstrap_servers, topic_prefix=place.prefix)
    began = time.monotonic()
    with subprocess.Popen(
        [*children.command("verify"), "--json"],
        env=os.environ | child_environment(settings),
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, said[-2000:]
    return json.loads(said), used, time.monotonic() - began


def _verify(place: Place) -> Recount:
    report, used, seconds = _verified(place)
    counts = report["counts"]
    return Recount(
        counts["events"],
        counts["recipients"],
        counts["acks"],
        counts["sends"],
        seconds,
        used.ru_utime + used.ru_stime,
        used.ru_maxrss * 1024,
    )


def _table(runs: list[Recount]) -> Table:
    table = Table(title="An installation verified by one process")
    for column in ("events", "recipients", "answers", "sends", "events/s", "us CPU", "MiB"):
        table.add_column(column, justify="right", no_wrap=True)
    first = runs[0]
    table.add_row(
        *(f"{each:,}" for each in (first.events, first.recipients, first.acks, first.sends)),
        span([run.rate for run in runs], digits=0),
        span([run.cpu_s / run.events * 1e6 for run in runs]),
        span([run.resident_bytes / _MIB for run in runs], digits=0),
    )
    return table
