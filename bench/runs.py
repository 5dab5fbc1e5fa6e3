"""One run: a contestant works off a log, is watched from outside, and its replies are counted."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.contestants import Place
from bench.observer import Observer
from bench.replies import answered_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.broker import Broker
    from bench.contestants import Contestant
    from bench.log import Log
    from bench.observer import Seen
    from mailing_trigger.children import Child

_WITHIN_S = 600.0
_STOP_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Run:
    """One run; *load* is the machine's load average over the minute before it."""

    contestant: Contestant
    load: float
    seen: Seen

    def figures(self) -> dict[str, object]:
        """Return it as plain values."""
        seen = self.seen
        return {
            "contestant": self.contestant.name,
            "guarantee": self.contestant.guarantee,
            "events_per_s": round(seen.rate),
            "cpu_us_per_event": round(seen.cpu_us, 2),
            "broker_cpu_us_per_event": round(seen.broker_cpu_us, 2),
            "cores": round(seen.busy, 3),
            "resident_mib": round(seen.resident_bytes / 2**20),
            "measured": {"events": seen.events, "seconds": round(seen.seconds, 3)},
            "load_before": self.load,
        }


def run(
    contestant: Contestant,
    log: Log,
    broker: Broker,
    *,
    warm_up: int,
    prepare: Callable[[Log], object] = lambda _: None,
) -> Run:
    """Let *contestant* work off its share of *log*, in a group of its own on empty topics.

    A fifth of a share is not counted, *warm_up* events of a whole one. *prepare* may
    write to the topics first.
    """
    log.renew()
    prepare(log)
    begin = sum(log.begins)
    events = int((sum(log.ends.values()) - begin) * contestant.share)
    until = begin + events
    skipped = begin + (warm_up if contestant.share == 1 else events // 5)
    load = os.getloadavg()[0]
    place = new_place(log, broker)
    with running(contestant, place) as children:
        seen = Observer(log, place.group, broker.pid).watch(
            [child.process.pid for child in children],
            warm_up=skipped,
            until=until,
            check=alive(children),
            within_s=_WITHIN_S,
        )
    shutil.rmtree(place.folder, ignore_errors=True)
    answers = answered_calls(log)
    # Definitions have no reply.
    expected = min(seen.committed, until) - begin - log.definitions
    if answers < expected:
        raise AssertionError(f"{contestant.name}: {expected - answers} events are not accepted")
    return Run(contestant, load, seen)


def new_place(log: Log, broker: Broker) -> Place:
    """Return a group and a folder that nobody had before."""
    group = f"{log.prefix}{uuid.uuid4().hex[:8]}"
    folder = broker.folder / group
    folder.mkdir()
    return Place(log.bootstrap_servers, log.prefix, group, folder)


@contextmanager
def running(contestant: Contestant, place: Place) -> Iterator[list[Child]]:
    """Run it until the block ends."""
    children = contestant.start(place)
    try:
        yield children
    finally:
        for child in children:
            if not child.died():
                child.process.terminate()
        for child in children:
            child.wait(within_s=_STOP_WITHIN_S)


def alive(children: list[Child]) -> Callable[[], None]:
    """Return a check that raises with the last lines of one that has died."""

    def check() -> None:
        for child in children:
            if child.died():
                raise child.death()

    return check
