"""A backlog of events, worked off by one process: ours, a plain loop and stock Faust in turn."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.contestants import OURS, PLAIN_LOOP, STOCK_FAUST
from bench.events import PARTITIONS, Backlog, make_backlog, produce_backlog
from bench.observer import Observer
from bench.topics import remove_topics
from schemas.topics import ACKS, LOG
from streams.worker.admin import create_topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.broker import Broker
    from bench.contestants import Contestant
    from bench.observer import Seen

_WITHIN_S = 180.0
_STOP_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Run:
    """One run; *load* is the machine's load average over the minute before it."""

    contestant: Contestant
    events: int
    load: float
    seen: Seen


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of what; stock Faust is slow and steady, so fewer events and one run tell."""

    events: int = 400_000
    runs: int = 3
    faust_events: int = 15_000
    seed: int = 1


def run(plan: Plan, broker: Broker, tell: Callable[[str], None]) -> list[Run]:
    """Run all in alternation: what the machine does meanwhile, it does to each of them."""
    tell(f"making {plan.events:,} events")
    backlog = make_backlog(plan.events, seed=plan.seed)
    small = make_backlog(plan.faust_events, seed=plan.seed)
    runs = []
    for contestant, its_backlog in _turns(plan, backlog, small):
        done = _run(contestant, its_backlog, broker)
        tell(f"{contestant.name}: {done.seen.rate:,.0f} events/s, {done.seen.cpu_us:.1f} us CPU")
        runs.append(done)
    return runs


def _turns(plan: Plan, backlog: Backlog, small: Backlog) -> Iterator[tuple[Contestant, Backlog]]:
    for number in range(plan.runs):
        # The first of a pair changes, should there be an advantage in it.
        pair = (OURS, PLAIN_LOOP) if number % 2 == 0 else (PLAIN_LOOP, OURS)
        yield pair[0], backlog
        yield pair[1], backlog
    if plan.faust_events:
        yield STOCK_FAUST, small


def _run(contestant: Contestant, backlog: Backlog, broker: Broker) -> Run:
    prefix = f"bench-{uuid.uuid4().hex[:8]}."
    group = f"{prefix}group"
    servers = broker.bootstrap_servers
    create_topics(servers, prefix=prefix, partitions=PARTITIONS)
    try:
        produce_backlog(servers, prefix + LOG, backlog)
        observer = Observer(
            servers,
            acks=prefix + ACKS,
            log=prefix + LOG,
            group=group,
            log_end={number: len(events) for number, events in enumerate(backlog.partitions)},
            broker_pid=broker.pid,
        )
        load = os.getloadavg()[0]
        child = contestant.start(servers, prefix, group, broker.folder)
        try:

            def check() -> None:
                if child.died():
                    raise child.death()

            seen = observer.watch(
                child.process.pid, replies=backlog.triggers, check=check, within_s=_WITHIN_S
            )
        finally:
            child.stop(within_s=_STOP_WITHIN_S)
    finally:
        remove_topics(servers, prefix)
    return Run(contestant, backlog.triggers, load, seen)
