"""How long a call of one recipient takes, by load, beside an import, and without HTTP."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from rich.table import Table

from bench import client_load
from bench.bridge_capacity import WARM_UP_S, closed
from bench.bridges import OTHER_MID, Bridge, ours, put_load
from bench.http_calls import ORGID, recipient
from bench.report import Measured
from mailing_trigger import children
from mailing_trigger.settings import child_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bench.broker import Broker
    from bench.histogram import Percentiles

# Never the limit: a call that finds none free waits for one, and that is counted.
_CONNECTIONS = 256
_IMPORT_BEGINS_S = 3.0
_STOP_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Row:
    """Calls at *rate* a second, *share* of what was found to be the capacity."""

    what: str
    share: float
    rate: float
    latency_ms: Percentiles
    late_ms: Percentiles
    load_cpu: float


def measure(broker: Broker, tell: Callable[[str], None], *, full: bool) -> Measured:
    """Find the capacity, then send calls at parts of it, answered or not."""
    seconds = 30.0 if full else 8.0
    shares = (0.1, 0.25, 0.5, 0.75, 0.9) if full else (0.1, 0.5)
    rows = []
    with ours(broker) as bridge:
        capacity = closed(bridge, 1, seconds=seconds / 2, warm_up_s=WARM_UP_S).goodput
        tell(f"capacity: {capacity:,.0f} calls/s on 64 connections")
        for share in shares:
            rows.append(_over_http("over HTTP", bridge, capacity, share, seconds))
            tell(_line(rows[-1]))
        with _importing(bridge, broker.folder, recipients=1_000_000 if full else 300_000):
            rows.append(_over_http("beside an import", bridge, capacity, 0.5, seconds))
        tell(_line(rows[-1]))
        for share in (0.1, 0.5):
            rows.append(_without_http(bridge, capacity, share, seconds))
            tell(_line(rows[-1]))
    figures = {"capacity": round(capacity), "rows": [msgspec.to_builtins(row) for row in rows]}
    return Measured([_table(rows, capacity)], figures)


def _over_http(what: str, bridge: Bridge, capacity: float, share: float, seconds: float) -> Row:
    rate = capacity * share
    outcome = put_load(bridge, rate=rate, connections=_CONNECTIONS, seconds=seconds)
    assert set(outcome.statuses) == {"200"}, outcome.statuses
    return Row(what, share, rate, outcome.latency_ms, outcome.late_ms, outcome.cpu_share)


def _without_http(bridge: Bridge, capacity: float, share: float, seconds: float) -> Row:
    rate = capacity * share
    plan = client_load.Plan(
        bootstrap_servers=bridge.settings.bootstrap_servers,
        topic_prefix=bridge.settings.topic_prefix,
        rate=rate,
        seconds=seconds,
    )
    argv = [sys.executable, "-m", "bench.client_load", msgspec.json.encode(plan).decode()]
    done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, timeout=seconds + 60)
    outcome = msgspec.json.decode(done.stdout, type=client_load.Outcome)
    return Row("TriggerClient", share, rate, outcome.latency_ms, outcome.late_ms, outcome.cpu_share)


@contextmanager
def _importing(bridge: Bridge, folder: Path, *, recipients: int) -> Iterator[None]:
    """Import a file into another mailing while the block runs; it must take that long."""
    file = folder / "recipients.jsonl"
    with file.open("wb") as out:
        for number in range(recipients):
            out.write(msgspec.json.encode(recipient("import", number)) + b"\n")
    where = ("--orgid", str(ORGID), "--mid", str(OTHER_MID))
    child = children.start(
        "import",
        children.command("send", str(file), *where),
        child_environment(bridge.settings),
        log=folder / "import.log",
    )
    try:
        time.sleep(_IMPORT_BEGINS_S)
        yield
        if child.died():
            raise child.death()
    finally:
        child.stop(within_s=_STOP_WITHIN_S)


def _line(row: Row) -> str:
    return (
        f"{row.what}, {row.rate:,.0f} calls/s: "
        f"p50 {row.latency_ms.p50:.1f} ms, p99 {row.latency_ms.p99:.1f} ms"
    )


def _table(rows: list[Row], capacity: float) -> Table:
    table = Table(
        title="From when a call of one recipient should be sent to its answer, in ms",
        caption=f"capacity: {capacity:,.0f} calls/s; late: the load's own delay, within the others",
    )
    table.add_column("")
    for column in ("of capacity", "calls/s", "p50", "p90", "p99", "p99.9", "max", "late p99"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        took = row.latency_ms
        table.add_row(
            row.what,
            f"{row.share:.0%}",
            f"{row.rate:,.0f}",
            *(f"{value:.1f}" for value in (took.p50, took.p90, took.p99, took.p999, took.max)),
            f"{row.late_ms.p99:.1f}",
        )
    return table
