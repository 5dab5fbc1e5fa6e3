"""The log that contestants work off: made once, kept for all runs of a scenario."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from typing import TYPE_CHECKING

from confluent_kafka import Producer

from bench.events import PARTITIONS, EventMaker, known_rids
from bench.topics import make_topics, remove_topics
from schemas.topics import LOG

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bench.broker import Broker
    from bench.events import Record

_BATCH = 5_000
# Changelog batches have 64 KiB each.
_QUEUED = 10_000
_FLUSH_S = 60.0
_PRODUCER = {
    "log_level": 0,
    "enable.idempotence": True,
    "linger.ms": 5,
    "queue.buffering.max.messages": 1_000_000,
    "queue.buffering.max.kbytes": 1_000_000,
}


@dataclass(frozen=True, slots=True)
class Log:
    """Events on the topics of *prefix*; *ends* are the offsets a group commits in the end.

    *begins* are the offsets of the first events, *entries* the recipients and pending messages
    that these leave, *definitions* the records before the triggers.
    """

    bootstrap_servers: str
    prefix: str
    triggers: int
    begins: tuple[int, ...]
    ends: dict[int, int]
    value_bytes: int
    entries: int
    definitions: int

    @property
    def topic(self) -> str:
        """The topic's name."""
        return self.prefix + LOG

    def renew(self) -> None:
        """Put every topic but the log back to its first state."""
        remove_topics(self.bootstrap_servers, self.prefix, but=self.topic)
        make_topics(self.bootstrap_servers, self.prefix, but=self.topic)


@contextmanager
def log_of(
    broker: Broker, triggers: int, *, seed: int = 1, known: int = 0, mailings: int = 1
) -> Iterator[Log]:
    """Make a log of *triggers* events, on topics that go when the scenario ends."""
    prefix = f"bench-{uuid.uuid4().hex[:8]}."
    servers = broker.bootstrap_servers
    make_topics(servers, prefix)
    try:
        maker = EventMaker(seed=seed, known=known, mailings=mailings)
        ends = dict.fromkeys(range(PARTITIONS), 0)
        _, begins = known_rids(known)
        # What created the known ones was read long ago: nobody looks at it again.
        old = ((number, b"", b"") for number in range(PARTITIONS) for _ in range(begins[number]))
        produce(servers, prefix + LOG, old, ends)
        definitions = list(maker.definitions())
        records = chain(definitions, maker.triggers(triggers))
        size = produce(servers, prefix + LOG, records, ends)
        entries, defined = maker.entries, len(definitions)
        yield Log(servers, prefix, triggers, begins, ends, size, entries, defined)
    finally:
        remove_topics(servers, prefix)


@cache
def _producer(bootstrap_servers: str) -> Producer:
    """Return one for all."""
    return Producer(_PRODUCER | {"bootstrap.servers": bootstrap_servers})


def produce(
    bootstrap_servers: str, topic: str, records: Iterable[Record], counts: dict[int, int]
) -> int:
    """Append records as fast as it goes; count them by partition, return the bytes of values."""
    producer = _producer(bootstrap_servers)
    size = 0
    source = iter(records)
    while batch := list(islice(source, _BATCH)):
        for partition, _, value in batch:
            counts[partition] += 1
            size += len(value)
        while len(producer) > _QUEUED:
            producer.poll(0.005)
        # A batch for each partition: one that a message of a batch names is not obeyed.
        for number in counts:
            messages = [
                {"key": key, "value": value}
                for partition, key, value in batch
                if partition == number
            ]
            if messages:
                taken = producer.produce_batch(topic, messages, partition=number)
                assert taken == len(messages), "the producer's queue is full"
        producer.poll(0)
    left = producer.flush(_FLUSH_S)
    assert not left, f"{left} events were not delivered within {_FLUSH_S:.0f} s"
    return size
