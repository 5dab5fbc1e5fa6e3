"""How fast a changelog of N recipients becomes a state, in memory and in RocksDB, cold and warm.

    python -m bench.restore_store [--bootstrap-servers HOST:PORT] [--recipients 1000000]

Without a broker's address it starts one of its own. Each restore is a process of its own, so that
its memory is its own too; it prints one line of JSON. A bare loop into a dictionary is beside it.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from confluent_kafka import KafkaError, Producer, TopicPartition

from schemas.codec import Codec, current_schema
from schemas.ids import recipient_key, rid_of
from schemas.records import PARTITION_META, RECIPIENT_STATE
from streams.core.changelog import META_KEY
from streams.core.partition import FOLD_VERSION, PartitionState
from streams.core.recipient_batches import NewRecipients, read_recipients
from streams.core.recipients import head_of
from streams.core.restore import Restore
from streams.embedded.broker import EmbeddedBroker
from streams.store.memory import MemoryRecipients
from streams.worker.admin import create_topics
from streams.worker.kafka import state_consumer
from streams.worker.restoring import read_changelog
from streams.worker.settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

# Recipients of a partition that a transaction creates under load.
_TRANSACTION = 2_000
_MODES = ("dict", "memory", "dict", "memory", "rocksdb", "rocksdb warm")


@dataclass(frozen=True, slots=True)
class Measured:
    """One restore; *overhead* is memory above key and value bytes, in bytes a recipient."""

    mode: str
    seconds: float
    entries: int
    overhead: float

    @property
    def line(self) -> dict[str, Any]:
        return {
            "mode": self.mode,
            "entries": self.entries,
            "seconds": round(self.seconds, 2),
            "entries_per_s": round(self.entries / self.seconds),
            "overhead_bytes_per_recipient": round(self.overhead),
        }


def recipients(count: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield log keys and states of *count* people with a profile of eight fields."""
    rng, codec = random.Random(1), Codec()
    profile: dict[str, Any] = dict.fromkeys(
        field["name"] for field in current_schema(RECIPIENT_STATE)["fields"]
    )
    for number in range(count):
        email = f"{rng.randbytes(5).hex()}.{number}@example.org"
        fields = {"firstName": "Johanna", "lastName": rng.randbytes(4).hex(), "city": "Amsterdam"}
        more = {"postalCode": "1012 AB", "countryCode": "NL", "phone1": "+31201234567"}
        who = {"rid": rid_of(2 * number, 0), "status": 1, "email": email}
        value = codec.encode(RECIPIENT_STATE, profile | fields | more | who)
        yield recipient_key(2, email), value


def fill(settings: WorkerSettings, count: int) -> int:
    """Write the changelog of partition 0; return the bytes of its keys and values."""
    producer = Producer(
        {
            "bootstrap.servers": settings.bootstrap_servers,
            "linger.ms": 20,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    size = number = 0
    people = recipients(count)
    while created := list(islice(people, _TRANSACTION)):
        number += len(created)
        new = NewRecipients()
        for key, value in created:
            size += len(key) + len(value)
            new.add(key, value, head_of(value)[0])
        for key, value in new.records():
            producer.produce(settings.state, value, key, partition=0)
        meta = {"seq": 1 + number // _TRANSACTION, "applied": 2 * number, "topic_id": "bench"}
        meta |= {"partitions": 1, "fold_version": FOLD_VERSION}
        record = Codec().encode(PARTITION_META, meta)
        producer.produce(settings.state, record, META_KEY, partition=0)
        producer.flush()
    return size


def restore(settings: WorkerSettings, mode: str, data_dir: Path, size: int) -> Measured:
    """Restore once, in this process; *size* is what the keys and values take themselves."""
    place = TopicPartition(settings.state, 0)
    consumer = state_consumer(settings)
    # As the worker does.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    before, started = _resident(), time.perf_counter()
    if mode == "dict":
        people = len(_bare_loop(consumer, place))
    else:
        table: Any = MemoryRecipients()
        if mode != "memory":
            from streams.store.rocksdb import RocksRecipients  # noqa: PLC0415 - optional

            table = RocksRecipients(data_dir, settings.state)
        state = PartitionState(0, 1, table, topic_id="bench")
        read_changelog(consumer, place, Restore(state), 0, lambda: True)
        people = state.applied // 2
    seconds = time.perf_counter() - started
    consumer.close()
    if mode not in {"dict", "memory"}:
        table.close()
        size = 0
    return Measured(mode, seconds, people, (_resident() - before - size) / people)


def _bare_loop(consumer: Any, place: TopicPartition) -> dict[bytes, bytes]:
    """What no restore can be faster than: consume batches, and put what is in them in a dict."""
    kept: dict[bytes, bytes] = {}
    consumer.assign([TopicPartition(place.topic, place.partition, 0)])
    while True:
        for message in consumer.consume(10_000, 0.1):
            error = message.error()
            if error is None:
                if message.key() != META_KEY:
                    kept.update(zip(*read_recipients(message.value()), strict=True))
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                return kept


def _resident() -> int:
    """The process's own memory, without what it maps from files."""
    gc.collect()
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no RssAnon in /proc/self/status")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap-servers")
    parser.add_argument("--recipients", type=int, default=1_000_000)
    parser.add_argument("--child", nargs=4, metavar=("MODE", "PREFIX", "DIR", "SIZE"))
    args = parser.parse_args()
    if args.child:
        mode, prefix, folder, size = args.child
        settings = WorkerSettings(args.bootstrap_servers, topic_prefix=prefix)
        measured = restore(settings, mode, Path(folder) / "database", int(size))
        print(json.dumps(measured.line))
        return
    with tempfile.TemporaryDirectory() as folder:
        if args.bootstrap_servers:
            _measure(args.bootstrap_servers, args.recipients, folder)
        else:
            with EmbeddedBroker(Path(folder) / "broker") as broker:
                _measure(broker.bootstrap_servers, args.recipients, folder)


def _measure(bootstrap_servers: str, count: int, folder: str) -> None:
    prefix = f"restore-{uuid4().hex[:8]}."
    create_topics(bootstrap_servers, prefix=prefix, partitions=1)
    size = fill(WorkerSettings(bootstrap_servers, topic_prefix=prefix), count)
    print(json.dumps({"recipients": count, "bytes_per_recipient": round(size / count)}))
    command = [sys.executable, "-m", "bench.restore_store"]
    command += ["--bootstrap-servers", bootstrap_servers, "--child"]
    for mode in _MODES:
        subprocess.run([*command, mode, prefix, folder, str(size)], check=True, timeout=600)


if __name__ == "__main__":
    main()
