"""More calls than the bridge can take: what still gets an answer, and what the rest is told."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from rich.table import Table

from bench.bridge_capacity import WARM_UP_S, closed
from bench.bridges import Bridge, ours, put_load
from bench.processes import resident_bytes
from bench.report import Measured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.broker import Broker
    from bench.http_load import Outcome

# Clients enough that none has to wait for a connection but under the greatest load.
_CONNECTIONS = 2_000
_FACTORS = (1.0, 2.0, 10.0)
_LOOK_EVERY_S = 0.2
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Row:
    """Calls at *factor* times the capacity; *goodput* in answers with an ID, calls a second.

    *most_mib* is the most memory that bridge and worker had meanwhile.
    """

    recipients: int
    factor: float
    rate: float
    goodput: float
    peak_share: float
    most_mib: dict[str, float]
    outcome: Outcome


def measure(broker: Broker, tell: Callable[[str], None], *, full: bool) -> Measured:
    """Find the capacity for calls of one and of a hundred, then send a multiple of it."""
    seconds = 20.0 if full else 6.0
    rows: list[Row] = []
    for recipients in (1, 100):
        with ours(broker) as bridge:
            peak = closed(bridge, recipients, seconds=seconds / 2, warm_up_s=WARM_UP_S).goodput
            tell(f"capacity: {peak:,.0f} calls/s of {recipients}")
            for factor in _FACTORS:
                row = _row(bridge, recipients, peak, factor, seconds)
                rows.append(row)
                tell(
                    f"{factor:g} times as many: {row.goodput:,.0f} calls/s, "
                    f"{row.peak_share:.0%} of the peak"
                )
    return Measured([_table(rows)], [msgspec.to_builtins(row) for row in rows])


def _row(bridge: Bridge, recipients: int, peak: float, factor: float, seconds: float) -> Row:
    rate = peak * factor
    with _watching(bridge) as most:
        outcome = put_load(
            bridge, recipients=recipients, rate=rate, connections=_CONNECTIONS, seconds=seconds
        )
    goodput = outcome.goodput
    most_mib = {name: round(size / _MIB, 1) for name, size in most.items()}
    return Row(recipients, factor, rate, goodput, goodput / peak, most_mib, outcome)


@contextmanager
def _watching(bridge: Bridge) -> Iterator[dict[str, int]]:
    """Yield the most memory of each process, which grows while the block runs."""
    most = dict.fromkeys(bridge.pids, 0)
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_LOOK_EVERY_S):
            for name, pid in bridge.pids.items():
                most[name] = max(most[name], resident_bytes(pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        done.set()
        thread.join()


def _table(rows: list[Row]) -> Table:
    table = Table(
        title="Calls beyond the capacity",
        caption="refused: 429 or 503; lost: neither an answer nor a Retry-After; unsent: no "
        "connection was free; load: cores the load itself took",
    )
    table.add_column("recipients a call")
    for column in (
        *("x capacity", "calls/s", "good/s", "of peak", "p99 ms", "refused/s", "lost", "unsent"),
        *("bridge MiB", "load"),
    ):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        got = row.outcome
        refused = sum(got.statuses.get(status, 0) for status in ("429", "503"))
        lost = sum(got.statuses.values()) - got.good - refused + got.without_retry_after
        table.add_row(
            str(row.recipients),
            f"{row.factor:g}",
            f"{row.rate:,.0f}",
            f"{row.goodput:,.0f}",
            f"{row.peak_share:.0%}",
            f"{got.latency_ms.p99:,.0f}",
            f"{refused / got.seconds:,.0f}",
            str(lost),
            f"{got.unsent:,}",
            f"{row.most_mib['bridge']:.0f}",
            f"{got.cpu_share:.2f}",
        )
    return table
