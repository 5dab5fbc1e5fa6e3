"""How long a restart takes: from its start until it serves, with and without its local copy."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaException, TopicPartition
from rich.table import Table

from bench import contestants
from bench.log import log_of
from bench.observer import Observer
from bench.report import Measured, span
from bench.runs import alive, new_place, running
from schemas.topics import STATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.broker import Broker
    from bench.contestants import Contestant, Place
    from bench.log import Log

_SHORT_EVENTS, _FULL_EVENTS = 400_000, 2_000_000
_ROUNDS = 3
_WITHIN_S = 600.0
_LOOK_EVERY_S = 0.02
_ASK_S = 1.0
_CHUNK = 10_000
_BARE = "bare loop into a dict"


@dataclass(frozen=True, slots=True)
class Restart:
    """*empty_s* is what a start takes with nothing to restore."""

    name: str
    entries: int
    serving_s: float
    empty_s: float

    @property
    def rate(self) -> float:
        """Entries a second of the time that a start without any does not take."""
        return self.entries / max(self.serving_s - self.empty_s, 1e-3)


def measure(broker: Broker, tell: Callable[[str], None], *, full: bool) -> Measured:
    """Let each work off a log, then restart it without its local copy, and with it."""
    everybody = [
        contestants.WORKER,
        contestants.KS_ONCE,
        contestants.WORKER_ROCKSDB,
        contestants.KS_ONCE_ROCKSDB,
    ]
    restarts: list[Restart] = []
    bare: list[float] = []
    with log_of(broker, _FULL_EVENTS if full else _SHORT_EVENTS) as log:
        for contestant in everybody:
            if why := contestant.missing():
                tell(f"{contestant.name}: left out, {why}")
                continue
            restarts += _restarts(contestant, log, broker)
            if contestant is contestants.WORKER:
                bare += [_read_state(log) for _ in range(_ROUNDS)]
                tell(f"{_BARE}: {span(bare, digits=0)} entries/s")
            for each in restarts[-_ROUNDS:]:
                tell(
                    f"{each.name}: serves after {each.serving_s:.2f} s, {each.rate:,.0f} entries/s"
                )
    return Measured([_table(restarts, bare)], _figures(restarts, bare))


def _empty_start_s(contestant: Contestant, broker: Broker) -> float:
    """Return what a start takes by itself: the second one, when all topics are there."""
    with log_of(broker, 1) as log:
        place = new_place(log, broker)
        serves = _serves(contestant, log, place)
        seconds = 0.0
        for _ in range(2):
            serves.begin()
            with running(contestant, place) as children:
                seconds = serves.seconds(alive(children))
    return seconds


def _serves(contestant: Contestant, log: Log, place: Place) -> _WorkerServes | _StreamsServes:
    ours = contestant in (contestants.WORKER, contestants.WORKER_ROCKSDB)
    return _WorkerServes(log, place) if ours else _StreamsServes(place)


def _restarts(contestant: Contestant, log: Log, broker: Broker) -> list[Restart]:
    empty_s = _empty_start_s(contestant, broker)
    log.renew()
    place = new_place(log, broker)
    serves = _serves(contestant, log, place)
    with running(contestant, place) as children:
        Observer(log, place.group, broker.pid).wait(
            sum(log.ends.values()), check=alive(children), within_s=_WITHIN_S
        )
    done = []
    on_disk = "RocksDB" in contestant.name
    for wiped in (True, False) if on_disk else (True,):
        for _ in range(_ROUNDS):
            if wiped:
                for path in place.folder.iterdir():
                    if path.is_dir():
                        shutil.rmtree(path)
            serves.begin()
            with running(contestant, place) as children:
                seconds = serves.seconds(alive(children))
            name = contestant.name if wiped else f"{contestant.name}, with its local copy"
            done.append(Restart(name, log.entries, seconds, empty_s))
    shutil.rmtree(place.folder, ignore_errors=True)
    return done


class _WorkerServes:
    """A worker serves when it has committed every offset under its own name."""

    def __init__(self, log: Log, place: Place) -> None:
        # As in bench.observer.
        self._consumer = Consumer(
            {
                "bootstrap.servers": log.bootstrap_servers,
                "group.id": place.group,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "retry.backoff.ms": 10,
                "log_level": 0,
            }
        )
        self._places = [TopicPartition(log.topic, partition) for partition in log.ends]
        self.begin()

    def begin(self) -> None:
        """Start the clock, and look at the names that are there."""
        self._before = self._names()
        self._since = time.monotonic()

    def seconds(self, check: Callable[[], None]) -> float:
        """Return how long it took to serve."""
        return _seconds(self._since, self._changed, check)

    def _changed(self) -> bool:
        now = self._names()
        return len(now) == len(self._places) and all(
            name != self._before.get(partition) for partition, name in now.items()
        )

    def _names(self) -> dict[int, str]:
        try:
            found = self._consumer.committed(self._places, _ASK_S)
        except KafkaException:
            return {}
        # The owner, which stays the same while it goes on committing.
        return {
            place.partition: place.metadata.partition(" ")[2] for place in found if place.metadata
        }


class _StreamsServes:
    """Kafka Streams serves when it says that it runs."""

    def __init__(self, place: Place) -> None:
        self._file = place.folder / "0.log"
        self.begin()

    def begin(self) -> None:
        """Start the clock; what was said before does not count."""
        self._said = self._file.stat().st_size if self._file.exists() else 0
        self._since = time.monotonic()

    def seconds(self, check: Callable[[], None]) -> float:
        """Return how long it took to serve."""
        return _seconds(self._since, self._runs, check)

    def _runs(self) -> bool:
        if not self._file.exists():
            return False
        return b"state RUNNING" in self._file.read_bytes()[self._said :]


def _seconds(since: float, done: Callable[[], bool], check: Callable[[], None]) -> float:
    while not done():
        check()
        if time.monotonic() - since > _WITHIN_S:
            raise TimeoutError(f"it does not serve within {_WITHIN_S:.0f} s")
        time.sleep(_LOOK_EVERY_S)
    return time.monotonic() - since


def _read_state(log: Log) -> float:
    """Return entries a second of a loop that reads `mailing.state` and keeps every value."""
    consumer = Consumer(
        {
            "bootstrap.servers": log.bootstrap_servers,
            "group.id": f"{log.prefix}bare",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "queued.min.messages": 200_000,
            "fetch.queue.backoff.ms": 5,
            "log_level": 0,
        }
    )
    kept: dict[bytes | None, bytes | None] = {}
    unread = len(log.ends)
    since = time.monotonic()
    try:
        consumer.assign([TopicPartition(log.prefix + STATE, number, 0) for number in log.ends])
        while unread:
            first = consumer.poll(1.0)
            for message in [first, *consumer.consume(_CHUNK, 0)] if first is not None else []:
                if message.error() is not None:
                    unread -= 1
                else:
                    kept[message.key()] = message.value()
        return log.entries / (time.monotonic() - since)
    finally:
        consumer.close()


def _table(restarts: list[Restart], bare: list[float]) -> Table:
    table = Table(title=f"A restart with {restarts[0].entries:,} recipients and pending messages")
    for column in ("", "serves after s", "entries/s", "starts empty after s"):
        table.add_column(column, justify="right" if column else "left")
    for name in dict.fromkeys(each.name for each in restarts):
        rows = [each for each in restarts if each.name == name]
        table.add_row(
            name,
            span([each.serving_s for each in rows]),
            span([each.rate for each in rows], digits=0),
            span([each.empty_s for each in rows]),
        )
    table.add_row(_BARE, "", span(bare, digits=0), "")
    return table


def _figures(restarts: list[Restart], bare: list[float]) -> dict[str, object]:
    return {
        "restarts": [asdict(each) | {"entries_per_s": round(each.rate)} for each in restarts],
        "bare_loop_entries_per_s": [round(rate) for rate in bare],
    }
