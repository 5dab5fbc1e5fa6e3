"""What many mailings cost: the same triggers for one, and for a thousand with a timer each."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from rich.table import Table

from bench.contestants import WORKER
from bench.events import EventMaker
from bench.growth import known_state, preload
from bench.log import log_of, produce
from bench.observer import Observer
from bench.processes import cpu_s, family
from bench.report import Measured, span
from bench.runs import alive, new_place, run, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.broker import Broker
    from bench.events import Record
    from bench.log import Log
    from mailing_trigger.children import Child

_MANY = 1_000
_POPULATION = 100_000
_EVENTS = 400_000
_WARM_UP = 100_000
_ROUNDS = 3
_INTERVAL_S = 15
_RATE = 2_000
_BATCH_S = 0.02
# Timers see to all mailings once in that time, and rows of statistics have caught up.
_SETTLE_S = 5.0
_IDLE_S = 20.0
_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Backlog:
    """CPU of the worker and the broker an event, in us, with the events over *mailings*."""

    mailings: int
    events_per_s: float
    cpu_us: float
    broker_cpu_us: float


@dataclass(frozen=True, slots=True)
class Served:
    """Share of a core that the worker took with *defined* mailings: idle, and under triggers.

    Triggers came at the scenario's rate for *used* of them, whose timers invoked them.
    """

    defined: int
    used: int
    idle: float
    loaded: float


def measure(broker: Broker, tell: Callable[[str], None], *, full: bool) -> Measured:
    """Work off a backlog, wait, and take triggers at a rate: for one mailing, and for many."""
    del full
    backlogs: list[Backlog] = []
    served: list[Served] = []
    state = list(known_state(_POPULATION))
    with (
        log_of(broker, _EVENTS, known=_POPULATION) as one,
        log_of(broker, _EVENTS, known=_POPULATION, mailings=_MANY) as many,
    ):
        for _ in range(_ROUNDS):
            for log, mailings in ((one, 1), (many, _MANY)):
                prepare = partial(preload, known=_POPULATION, state=state)
                seen = run(WORKER, log, broker, warm_up=_WARM_UP, prepare=prepare).seen
                backlogs.append(Backlog(mailings, seen.rate, seen.cpu_us, seen.broker_cpu_us))
                tell(f"a backlog over {mailings:,}: {seen.cpu_us:.1f} us CPU an event")
    for _ in range(_ROUNDS):
        for defined, used in ((1, 1), (_MANY, 1), (_MANY, _MANY)):
            served.append(_serve(broker, state, defined=defined, used=used))
            done = served[-1]
            tell(
                f"{defined:,} defined, {used:,} of them triggered: {done.idle:.1%} of a core idle, "
                f"{done.loaded:.1%} at {_RATE:,} triggers/s"
            )
    figures = {
        "population": _POPULATION,
        "events": _EVENTS,
        "triggers_per_s": _RATE,
        "interval_s": _INTERVAL_S,
        "backlogs": [asdict(each) for each in backlogs],
        "served": [asdict(each) for each in served],
    }
    return Measured([_backlog_table(backlogs), _served_table(served)], figures)


def _serve(broker: Broker, state: list[Record], *, defined: int, used: int) -> Served:
    """Start a worker with *defined* mailings, and look at its CPU."""
    with log_of(broker, 0, known=_POPULATION, mailings=0) as log:
        log.renew()
        preload(log, known=_POPULATION, state=state)
        # The definitions are those of all, the triggers those of the used.
        all_of_them = EventMaker(
            seed=1, known=_POPULATION, mailings=defined, interval_s=_INTERVAL_S
        )
        _append(log, all_of_them.definitions())
        place = new_place(log, broker)
        with running(WORKER, place) as children:
            Observer(log, place.group, broker.pid).wait(
                sum(log.ends.values()), check=alive(children), within_s=_WITHIN_S
            )
            time.sleep(_SETTLE_S)
            idle = _share(children, partial(time.sleep, _IDLE_S))
            triggers = EventMaker(seed=2, known=_POPULATION, mailings=used).triggers(10**9)
            load = partial(_put_load, log, triggers)
            load(seconds=_INTERVAL_S + _SETTLE_S)
            loaded = _share(children, partial(load, seconds=2 * _INTERVAL_S))
    return Served(defined, used, idle, loaded)


def _put_load(log: Log, triggers: Iterator[Record], *, seconds: float) -> None:
    """Append triggers to the log at the scenario's rate."""
    begun, made = time.perf_counter(), 0
    while (passed := time.perf_counter() - begun) < seconds:
        due = int(passed * _RATE) - made
        _append(log, islice(triggers, due))
        made += due
        time.sleep(_BATCH_S)


def _append(log: Log, records: Iterator[Record]) -> None:
    produce(log.bootstrap_servers, log.topic, records, log.ends)


def _share(children: list[Child], work: Callable[[], object]) -> float:
    """Return the share of a core that the worker takes while *work* goes on."""
    begun, before = time.perf_counter(), _cpu_s(children)
    work()
    return (_cpu_s(children) - before) / (time.perf_counter() - begun)


def _cpu_s(children: list[Child]) -> float:
    return sum(cpu_s(pid) for child in children for pid in family(child.process.pid))


def _backlog_table(backlogs: list[Backlog]) -> Table:
    table = Table(title=f"A backlog of {_EVENTS:,} events over one mailing, and over many")
    for column in ("mailings", "events/s", "us CPU", "of one's", "us broker"):
        table.add_column(column, justify="right")
    one = [each for each in backlogs if each.mailings == 1]
    for mailings in (1, _MANY):
        mine = [each for each in backlogs if each.mailings == mailings]
        ratios = [ours.cpu_us / first.cpu_us for ours, first in zip(mine, one, strict=True)]
        table.add_row(
            f"{mailings:,}",
            span([each.events_per_s for each in mine], digits=0),
            span([each.cpu_us for each in mine]),
            span(ratios, digits=2),
            span([each.broker_cpu_us for each in mine]),
        )
    return table


def _served_table(served: list[Served]) -> Table:
    table = Table(
        title=f"Share of a core of a worker: idle, and at {_RATE:,} triggers/s",
        caption=f"every mailing is invoked by its timer, every {_INTERVAL_S} s",
    )
    for column in ("defined", "triggered", "idle, %", "loaded, %", "of one's"):
        table.add_column(column, justify="right")
    one = [each for each in served if each.defined == 1]
    for kind in dict.fromkeys((each.defined, each.used) for each in served):
        mine = [each for each in served if (each.defined, each.used) == kind]
        ratios = [ours.loaded / first.loaded for ours, first in zip(mine, one, strict=True)]
        table.add_row(
            *(f"{number:,}" for number in kind),
            span([100 * each.idle for each in mine], digits=2),
            span([100 * each.loaded for each in mine]),
            span(ratios, digits=2),
        )
    return table
