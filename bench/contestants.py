"""Who takes part: how each is started, and what it promises."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import java, quix
from mailing_trigger import children
from mailing_trigger.settings import ABOUT, Settings, child_environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mailing_trigger.children import Child

EXACTLY_ONCE = "exactly once"
AT_LEAST_ONCE = "at least once"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a contestant works: its group on the topics of *prefix*, and a folder of its own."""

    bootstrap_servers: str
    prefix: str
    group: str
    folder: Path


def _nothing() -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to do the job: *copies* processes, each started with *command*.

    *share* is how much of the log it works off, since slow ones need not finish it to be known.
    *missing* says why it cannot run here.
    """

    name: str
    guarantee: str
    command: Callable[[Place], list[str]]
    processes: int = 1
    copies: int = 1
    store: str = "memory"
    share: float = 1.0
    missing: Callable[[], str | None] = _nothing

    def start(self, place: Place) -> list[Child]:
        """Start it, with its output in *place*."""
        chosen: dict[str, str] = {} if self.store == "memory" else {"store": self.store}
        settings = Settings(
            bootstrap_servers=place.bootstrap_servers,
            topic_prefix=place.prefix,
            group=place.group,
            processes=self.processes,
            data_dir=place.folder,
            **chosen,
        )
        return [
            children.start(
                self.name,
                self.command(place),
                child_environment(settings),
                log=place.folder / f"{number}.log",
            )
            for number in range(self.copies)
        ]


def _worker(name: str, **more: object) -> Contestant:
    return Contestant(name, EXACTLY_ONCE, lambda _: children.command("worker"), **more)


def _no_rocksdb() -> str | None:
    return None if "store" in ABOUT else "the worker has no other store than memory"


def _python(module: str, interpreter: Callable[[], str]) -> Callable[[Place], list[str]]:
    return lambda place: [
        interpreter(),
        "-m",
        f"bench.peers.{module}",
        place.bootstrap_servers,
        place.prefix,
        place.group,
        str(place.folder),
    ]


def _ours() -> str:
    return sys.executable


def _kafka_streams(name: str, guarantee: str, *, store: str, threads: int) -> Contestant:
    def command(place: Place) -> list[str]:
        return java.command(
            servers=place.bootstrap_servers,
            prefix=place.prefix,
            group=place.group,
            folder=place.folder / "streams",
            guarantee="exactly_once_v2" if guarantee == EXACTLY_ONCE else "at_least_once",
            store=store,
            threads=threads,
        )

    return Contestant(name, guarantee, command, missing=java.missing)


WORKER = _worker("worker")
WORKER_ROCKSDB = _worker("worker, RocksDB", store="rocksdb", missing=_no_rocksdb)
WORKER_2 = _worker("worker, 2 processes", processes=2)
WORKER_2_ROCKSDB = _worker(
    "worker, RocksDB, 2 processes", processes=2, store="rocksdb", missing=_no_rocksdb
)
TWO_WORKERS = _worker("two workers", copies=2)
PLAIN_LOOP = Contestant("plain loop", "at least once, no transaction", _python("plain_loop", _ours))
STOCK_FAUST = Contestant(
    "stock Faust", "at least once, with holes", _python("stock_faust", _ours), share=0.01
)
QUIX = Contestant(
    "Quix Streams, RocksDB",
    AT_LEAST_ONCE,
    _python("quix_streams", quix.python),
    share=0.15,
    missing=quix.missing,
)
KS_ONCE = _kafka_streams("Kafka Streams, exactly once", EXACTLY_ONCE, store="memory", threads=1)
KS_ONCE_ROCKSDB = _kafka_streams(
    "Kafka Streams, exactly once, RocksDB", EXACTLY_ONCE, store="rocksdb", threads=1
)
KS_LEAST = _kafka_streams("Kafka Streams, at least once", AT_LEAST_ONCE, store="memory", threads=1)
KS_LEAST_ROCKSDB = _kafka_streams(
    "Kafka Streams, at least once, RocksDB", AT_LEAST_ONCE, store="rocksdb", threads=1
)
KS_2_ONCE = _kafka_streams(
    "Kafka Streams, exactly once, 2 threads", EXACTLY_ONCE, store="memory", threads=2
)
KS_2_ONCE_ROCKSDB = _kafka_streams(
    "Kafka Streams, exactly once, RocksDB, 2 threads", EXACTLY_ONCE, store="rocksdb", threads=2
)
KS_2_LEAST = _kafka_streams(
    "Kafka Streams, at least once, 2 threads", AT_LEAST_ONCE, store="memory", threads=2
)
