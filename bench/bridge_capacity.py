"""How much the bridge takes, with its worker answering, beside one that only produces."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import msgspec
from rich.table import Table

from bench.bridges import Bridge, minimal, ours, put_load
from bench.processes import cpu_s
from bench.report import Measured, span

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.broker import Broker
    from bench.http_load import Outcome

# Recipients of a call, and connections that call one after the other: enough to keep every part
# busy, few enough that no caller waits for seconds.
SIZES = {1: 64, 100: 16, 10_000: 4}
# The broker's compiler is done after half a minute of load; before, a call costs it twice as much.
WARM_UP_S = 40.0


@dataclass(frozen=True, slots=True)
class Run:
    """One load on one bridge; *cpu_us* a recipient, by process, the load's own included."""

    bridge: str
    recipients: int
    rate: float
    cpu_us: dict[str, float]
    outcome: Outcome


def measure(broker: Broker, tell: Callable[[str], None], *, full: bool) -> Measured:
    """Load both in turn with calls of each size, several times."""
    rounds, seconds, warm_up_s = (5, 10.0, 3.0) if full else (3, 3.0, 1.0)
    runs: list[Run] = []
    with ours(broker) as bridge, minimal(broker) as peer:
        for each in (bridge, peer):
            closed(each, 1, seconds=1.0, warm_up_s=WARM_UP_S)
        for recipients in SIZES:
            for number in range(rounds):
                pair = (bridge, peer) if number % 2 == 0 else (peer, bridge)
                for each in pair:
                    # Four calls of 10,000 at once take longer than one of one.
                    longer = 2.0 if recipients > 1000 else 1.0
                    run = _run(
                        each, broker, recipients, seconds=seconds * longer, warm_up_s=warm_up_s
                    )
                    runs.append(run)
                    tell(f"{each.name}, {recipients:,} a call: {run.rate:,.0f} recipients/s")
    return Measured([_table(runs)], [_plain(run) for run in runs])


def closed(bridge: Bridge, recipients: int, *, seconds: float, warm_up_s: float = 2.0) -> Outcome:
    """Return what *bridge* does when it is never left waiting."""
    return put_load(
        bridge,
        recipients=recipients,
        connections=SIZES[recipients],
        seconds=seconds,
        warm_up_s=warm_up_s,
        check="worker" in bridge.pids,
    )


def _run(
    bridge: Bridge, broker: Broker, recipients: int, *, seconds: float, warm_up_s: float
) -> Run:
    pids = {**bridge.pids, "broker": broker.pid}
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    outcome = closed(bridge, recipients, seconds=seconds, warm_up_s=warm_up_s)
    assert set(outcome.statuses) == {"200"}, outcome.statuses
    # CPU is counted over the warm-up too, at the same rate.
    done = outcome.goodput * recipients * (seconds + warm_up_s)
    used = {name: (cpu_s(pid) - before[name]) / done * 1e6 for name, pid in pids.items()}
    used["load"] = outcome.cpu_share * (seconds + warm_up_s) / done * 1e6
    return Run(bridge.name, recipients, outcome.goodput * recipients, used, outcome)


def _table(runs: list[Run]) -> Table:
    table = Table(
        title="What a bridge takes, in recipients a second",
        caption="x peer: of the same round; us: median CPU a recipient",
    )
    table.add_column("recipients a call")
    for column in ("", "recipients/s", "x peer", "us bridge", "us worker", "us broker", "us load"):
        table.add_column(column, justify="right", no_wrap=True)
    for recipients in SIZES:
        of_size = [run for run in runs if run.recipients == recipients]
        names = list(dict.fromkeys(run.bridge for run in of_size))
        peers = [run.rate for run in of_size if run.bridge == names[-1]]
        for name in names:
            mine = [run for run in of_size if run.bridge == name]
            ratios = [run.rate / peer for run, peer in zip(mine, peers, strict=True)]
            table.add_row(
                f"{recipients:,}",
                name,
                span([run.rate for run in mine], digits=0),
                span(ratios, digits=2),
                *(
                    f"{median(run.cpu_us.get(part, 0.0) for run in mine):.0f}"
                    for part in ("bridge", "worker", "broker", "load")
                ),
            )
    return table


def _plain(run: Run) -> dict[str, object]:
    return {
        "bridge": run.bridge,
        "recipients_a_call": run.recipients,
        "recipients_per_s": round(run.rate),
        "cpu_us_a_recipient": {name: round(us, 1) for name, us in run.cpu_us.items()},
        "load": msgspec.to_builtins(run.outcome),
    }
