"""Faults of what is kept: offsets, databases, the clock, and of everything that runs at once."""

from __future__ import annotations

import random
import shutil
import signal
import time
from typing import TYPE_CHECKING, ClassVar

from confluent_kafka import KafkaException, TopicPartition

from tests.history.faults import named
from tests.history.observer import BY_HAND
from tests.history.topics import consumer_of
from tests.support.topics import PARTITIONS
from tests.support.wait import eventually
from tests.support.worker import SESSION_S

if TYPE_CHECKING:
    from random import Random

    from tests.history.system import Place, System

HOUR = 3600
TEN_YEARS = 10 * 365 * 24 * HOUR
_EMPTY_WITHIN_S = 40.0
_ANSWER_S = 5.0


class OffsetsSetBack:
    """While no worker runs, the group's offsets are set back, as a tool for operators does."""

    name = "offsets set back"
    hold_s = (0.0, 0.5)

    def __init__(self, system: System, rng: Random) -> None:
        self._system = system
        self._share = rng.choice((0.0, rng.random(), 0.99))
        self._kills = rng.random() < 0.5

    def begin(self) -> None:
        for place in self._system.workers:
            if self._kills:
                place.kill()
            else:
                place.stop()
        consumer = consumer_of(self._system.seen, committed=False)
        log = self._system.seen.topic("mailing.recipients")
        places = [TopicPartition(log, partition) for partition in range(PARTITIONS)]

        def set_back() -> bool:
            # Refused as long as the group has members, killed ones included.
            try:
                known = consumer.committed(places, _ANSWER_S)
                back = [
                    TopicPartition(log, place.partition, int(self._share * place.offset), BY_HAND)
                    for place in known
                    if place.offset > 0
                ]
                return not back or bool(consumer.commit(offsets=back, asynchronous=False))
            except KafkaException:
                return False

        try:
            eventually(set_back, within_s=_EMPTY_WITHIN_S, every_s=0.25)
        finally:
            consumer.close()

    def end(self) -> None:
        for place in self._system.workers:
            place.start()


class _OfTheDatabase:
    """Something happens to the files of the worker that keeps its recipients on disk."""

    name: ClassVar[str]
    hold_s: tuple[float, float] = (0.2, 3.0)

    def __init__(self, system: System, rng: Random) -> None:
        self.place: Place = system.workers[-1]
        self.folder = system.databases
        self.seed = rng.random()

    def end(self) -> None:
        self.place.start()


class DatabaseDeleted(_OfTheDatabase):
    """The databases are gone when their worker comes back."""

    name = "database deleted"

    def begin(self) -> None:
        self.place.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class DatabaseDamaged(_OfTheDatabase):
    """Noise is in the databases' files when their worker comes back."""

    name = "database damaged"

    def begin(self) -> None:
        self.place.kill()
        noise = random.Random(self.seed)
        files = list(self.folder.rglob("*.sst"))
        assert files, "no table was written yet"
        for file in files:
            size = file.stat().st_size
            with file.open("r+b") as opened:
                opened.seek(noise.randrange(size))
                opened.write(noise.randbytes(min(size, 4096)))


class DatabaseOld(_OfTheDatabase):
    """The worker goes on for a while, and comes back on a copy from before."""

    name = "database set back"
    hold_s = (2.0, 5.0)

    def begin(self) -> None:
        self.place.kill()
        copy = self.folder.with_name("copy")
        shutil.rmtree(copy, ignore_errors=True)
        assert self.folder.exists(), "there is no database yet"
        shutil.copytree(self.folder, copy)
        self.place.start()

    def end(self) -> None:
        self.place.kill()
        copy = self.folder.with_name("copy")
        if copy.exists():
            shutil.rmtree(self.folder, ignore_errors=True)
            copy.rename(self.folder)
        self.place.start()


class ClockJumps:
    """A worker's wall clock jumps by hours or years, and back."""

    name = "clock jumps"
    hold_s = (0.5, 3.0)

    def __init__(self, system: System, rng: Random) -> None:
        self._clock = system.clock
        self._shift = rng.choice((-TEN_YEARS, -2 * HOUR, 2 * HOUR, TEN_YEARS))

    def begin(self) -> None:
        assert self._clock is not None, "no clock can be shifted here"
        self._clock.shift(self._shift)

    def end(self) -> None:
        if self._clock is not None:
            self._clock.shift(0)


class Stutters:
    """A worker gets the processor for moments only."""

    name = "worker stutters"
    hold_s = (0.0, 0.5)

    def __init__(self, system: System, rng: Random) -> None:
        self._place: Place = rng.choice(system.workers)
        self._spans = [(rng.uniform(0.1, 0.8), rng.uniform(0.02, 0.2)) for _ in range(8)]

    def begin(self) -> None:
        process = self._place.process
        if process is None:
            return
        for frozen_s, awake_s in self._spans:
            process.pause()
            time.sleep(frozen_s)
            process.resume()
            time.sleep(awake_s)

    def end(self) -> None:
        """It has the processor again."""


class StopBridge:
    """An orderly restart of the bridge."""

    name = "stop bridge"
    hold_s = (0.2, 2.0)

    def __init__(self, system: System, _: Random) -> None:
        self._bridge = system.bridge

    def begin(self) -> None:
        self._bridge.stop()

    def end(self) -> None:
        self._bridge.start()


class CallersCut:
    """Everybody who waits for the bridge is cut off."""

    name = "callers cut off"
    hold_s = (0.0, 0.5)

    def __init__(self, system: System, _: Random) -> None:
        self._cut = system.cut_callers

    def begin(self) -> None:
        self._cut()

    def end(self) -> None:
        """They call again."""


class KillOurs:
    """Workers and bridge are killed at once."""

    name = "kill workers and bridge"
    hold_s = (0.2, 2.0)

    def __init__(self, system: System, _: Random) -> None:
        self._system = system

    def begin(self) -> None:
        for place in self._system.places:
            place.kill()

    def end(self) -> None:
        for place in self._system.places:
            place.start()


class KillEverything(KillOurs):
    """Everything is killed at once, the broker too."""

    name = "kill everything"

    def begin(self) -> None:
        self._system.broker.kill()
        super().begin()

    def end(self) -> None:
        self._system.broker.start()
        super().end()


class Suspended:
    """The machine stands still and goes on, for shorter or longer than a session."""

    name = "machine suspended"
    hold_s = (1.0, 2 * SESSION_S)

    def __init__(self, system: System, rng: Random) -> None:
        self._system = system
        self._broker_first = rng.random() < 0.5

    def begin(self) -> None:
        self._system.signal_broker(signal.SIGSTOP)
        for place in self._system.places:
            if place.process is not None:
                place.process.pause()

    def end(self) -> None:
        if self._broker_first:
            self._system.signal_broker(signal.SIGCONT)
        for place in self._system.places:
            if place.process is not None:
                place.process.resume()
        self._system.signal_broker(signal.SIGCONT)


FAULTS = named(
    OffsetsSetBack,
    DatabaseDeleted,
    DatabaseDamaged,
    DatabaseOld,
    ClockJumps,
    Stutters,
    StopBridge,
    CallersCut,
    KillOurs,
    KillEverything,
    Suspended,
)
