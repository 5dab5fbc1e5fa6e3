"""Who works off a backlog beside whom: on one core each, on two, and one worker beside two."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bench import backlog, contestants
from bench.report import Measured

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.broker import Broker
    from bench.contestants import Contestant

_PLAN = backlog.Plan()
# Of the short set, which takes five minutes: what compiles nothing while it runs is known sooner,
# and a JVM is nearly warm after 500,000 events.
_SHORT_SHARES = {
    contestants.WORKER: 0.4,
    contestants.PLAIN_LOOP: 0.4,
    contestants.KS_ONCE: 0.6,
    contestants.QUIX: 0.06,
    contestants.STOCK_FAUST: 0.005,
}


def one_core(broker: Broker, tell: Callable[[str], None], *, full: bool) -> Measured:
    """One process or one stream thread of each."""
    chosen = [contestants.WORKER, contestants.PLAIN_LOOP, contestants.KS_ONCE]
    if full:
        chosen += [contestants.KS_LEAST]
    chosen += [contestants.QUIX, contestants.STOCK_FAUST]
    return _measured("A backlog worked off by one process each", chosen, broker, tell, full=full)


def one_core_warm(broker: Broker, tell: Callable[[str], None], *, full: bool) -> Measured:
    """One process or one stream thread of each that is fast, all of the log."""
    chosen = [
        contestants.WORKER,
        contestants.PLAIN_LOOP,
        contestants.KS_ONCE,
        contestants.KS_LEAST,
    ]
    return _all_of_it("All of a backlog by one process each", chosen, broker, tell, full=full)


def rocksdb(broker: Broker, tell: Callable[[str], None], *, full: bool) -> Measured:
    """The same with RocksDB; stock Faust with its table in memory, which is its faster one."""
    chosen = [
        contestants.WORKER_ROCKSDB,
        contestants.KS_ONCE_ROCKSDB,
        contestants.KS_LEAST_ROCKSDB,
        contestants.QUIX,
        contestants.STOCK_FAUST,
    ]
    return _all_of_it("The same with RocksDB", chosen, broker, tell, full=full)


def machine(broker: Broker, tell: Callable[[str], None], *, full: bool) -> Measured:
    """Two processes against two stream threads."""
    chosen = [contestants.WORKER_2, contestants.KS_2_ONCE, contestants.KS_2_LEAST]
    if full:
        chosen += [contestants.WORKER_2_ROCKSDB, contestants.KS_2_ONCE_ROCKSDB]
    return _measured("A backlog worked off by two cores", chosen, broker, tell, full=full)


def scale_out(broker: Broker, tell: Callable[[str], None], *, full: bool) -> Measured:
    """One worker and two workers."""
    chosen = [contestants.TWO_WORKERS, contestants.WORKER]
    return _measured("One worker and two", chosen, broker, tell, full=full)


def _all_of_it(
    title: str,
    chosen: list[Contestant],
    broker: Broker,
    tell: Callable[[str], None],
    *,
    full: bool,
) -> Measured:
    result = backlog.run(_PLAN if full else replace(_PLAN, rounds=1), chosen, broker, tell)
    return Measured([backlog.table(result, title)], backlog.figures(result))


def _measured(
    title: str,
    chosen: list[Contestant],
    broker: Broker,
    tell: Callable[[str], None],
    *,
    full: bool,
) -> Measured:
    if not full:
        chosen = [replace(each, share=_SHORT_SHARES.get(each, each.share)) for each in chosen]
    result = backlog.run(_PLAN, chosen, broker, tell)
    return Measured([backlog.table(result, title)], backlog.figures(result))
