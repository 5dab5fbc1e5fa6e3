"""The contents of all topics after a log was folded, to be tampered with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from schemas.partition import partition_for
from schemas.records import DEAD_LETTER
from schemas.topics import ACK_PARTITIONS
from streams.core.effects import Effects
from streams.core.partition import PartitionState
from streams.core.transition import Fold, encode_acks
from streams.store.memory import MemoryRecipients
from streams.verify.reading import ACKS, DEAD_LETTERS, LOG, SENDS, STATE, Raw
from streams.verify.records import Records
from streams.verify.recount import compare
from tests.support.events import CODEC, START_MS
from tests.support.folding import FRAMING, PARTITIONS, TOPIC_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streams.core.effects import DeadLetter
    from streams.core.transition import LogRecord
    from streams.verify.reading import Place
    from streams.verify.report import Report
    from tests.support.events import Event

RECORDS = Records()


@dataclass
class Contents:
    """Stands in for `streams.verify.reading.Topics`; *records* are what is in each partition."""

    records: dict[Place, list[Raw]] = field(default_factory=dict)
    begins: dict[Place, int] = field(default_factory=dict)
    ends: dict[Place, int] = field(default_factory=dict)
    at_rest: set[int] = field(default_factory=lambda: set(range(PARTITIONS)))
    log_id: str = TOPIC_ID
    prefix: str = ""

    def __post_init__(self) -> None:
        names = dict.fromkeys((LOG, SENDS, STATE, DEAD_LETTERS), PARTITIONS)
        self.partitions = names | {ACKS: ACK_PARTITIONS}
        for name, count in self.partitions.items():
            for partition in range(count):
                self.records[name, partition] = []
                self.begins[name, partition] = 0

    def add(
        self,
        name: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: dict[str, bytes] | None = None,
        *,
        offset: int | None = None,
        time_ms: int | None = None,
    ) -> int:
        """Append a record, and return its offset."""
        place = self.records[name, partition]
        if offset is None:
            offset = place[-1].offset + 1 if place else 0
        if time_ms is None:
            # Of the log each has a time of its own.
            time_ms = START_MS + offset if name == LOG else START_MS
        place.append(Raw(partition, offset, key, value, time_ms, headers or {}))
        return offset

    def seal(self) -> Contents:
        """Take what there is as the moment of the recount."""
        for place, records in self.records.items():
            last = records[-1].offset + 1 if records else 0
            self.ends[place] = max(last, self.begins[place])
        return self

    def size(self) -> int:
        return sum(map(len, self.records.values()))

    def read(
        self,
        name: str,
        partition: int | None = None,
        read_to: Callable[[int], None] = lambda _: None,
    ) -> Iterator[Raw]:
        for number in range(self.partitions[name]) if partition is None else (partition,):
            for raw in list(self.records[name, number]):
                if self.begins[name, number] <= raw.offset < self.ends[name, number]:
                    read_to(1)
                    yield raw

    def recount(self) -> Report:
        """Compare what there is now."""
        report: Report = compare(self.seal(), RECORDS)  # type: ignore[arg-type]
        return report


class World:
    """Four partitions that fold their logs and write into *contents*, as a worker would."""

    def __init__(self) -> None:
        self.contents = Contents()
        self.folds = [
            Fold(PartitionState(p, PARTITIONS, MemoryRecipients(), topic_id=TOPIC_ID), FRAMING)
            for p in range(PARTITIONS)
        ]

    def log(self, *events: Event, partition: int | None = None) -> World:
        """Append events to the log, each where its key belongs unless *partition* says where."""
        for key, value in events:
            home = partition_for(key or b"", PARTITIONS) if partition is None else partition
            self.contents.add(LOG, home, key, value)
        return self

    def fold(self, partition: int, records: list[LogRecord], *, drain: int = 1000) -> None:
        """Fold one transaction of a partition, and write its effects."""
        fold, effects = self.folds[partition], Effects()
        fold.begin()
        fold.apply(records, effects, {})
        fold.drain(drain, effects)
        fold.seal(effects)
        fold.commit()
        self._write(partition, effects)

    def work(self, *, chunk: int = 5) -> World:
        """Fold everything that is in the logs, until no copy comes and nothing waits to be sent."""
        busy = True
        while busy:
            busy = False
            for partition, fold in enumerate(self.folds):
                records: list[LogRecord] = [
                    (raw.offset, raw.key, raw.value, raw.time_ms)
                    for raw in self.contents.records[LOG, partition]
                    if raw.offset > fold.state.applied
                ]
                if records or fold.state.drains:
                    self.fold(partition, records[:chunk])
                    busy = True
        return self

    def _write(self, partition: int, effects: Effects) -> None:
        for to, value in (*encode_acks(effects.replies, FRAMING), *effects.replies.answers):
            self.contents.add(ACKS, to, None, value)
        for to, key, value in effects.replies.copies:
            self.contents.add(LOG, to, key, value)
        for key, value in effects.sends:
            self.contents.add(SENDS, partition, key, value)
        for letter in effects.dead_letters:
            self._write_letter(partition, letter)
        for key, state in effects.state:
            self.contents.add(STATE, partition, key, state)

    def _write_letter(self, partition: int, letter: DeadLetter) -> None:
        place: dict[str, object] = {
            "topic": LOG,
            "partition": partition,
            "offset": letter.offset,
            "reason": letter.reason,
        }
        rest = {"detail": letter.detail, "key": letter.key, "value": letter.value}
        headers = {name: str(about).encode() for name, about in place.items()}
        value = CODEC.encode(DEAD_LETTER, place | rest)
        self.contents.add(DEAD_LETTERS, partition, letter.key, value, headers)


def kinds(report: Report) -> dict[str, int]:
    return dict(report.found)


def edit(
    contents: Contents, name: str, partition: int, at: int, change: Callable[[dict[str, Any]], None]
) -> None:
    """Change the fields of a record that lies *at* this place of its partition."""
    records = contents.records[name, partition]
    records[at] = changed(records[at], change)


def changed(raw: Raw, change: Callable[[dict[str, Any]], None]) -> Raw:
    name, record = RECORDS.read(raw.value)
    change(record)
    return raw._replace(value=CODEC.encode(name, record))


def find(contents: Contents, name: str, partition: int, key: bytes) -> int:
    records = contents.records[name, partition]
    return max(at for at, raw in enumerate(records) if (raw.key or b"").startswith(key))
