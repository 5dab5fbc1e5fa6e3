"""Topics as they were at one moment, read from their first offset by assignment.

The moment is taken in an order that makes a running system readable. The changelog's ends come
first: whatever its last transaction wrote elsewhere lies below the ends taken after. The log's
come last: every event that anything refers to lies below them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

LOG, ACKS, SENDS = "mailing.recipients", "mailing.acks", "mailing.sends"
STATE, DEAD_LETTERS = "mailing.state", "mailing.dead-letters"

_ASK_S = 20.0
# Longer than a dead worker's transaction may stay open, which is 30 s.
_SILENT_S = 60.0
_POLL_S = 0.25
_AT_ONCE = 2_000

Place = tuple[str, int]
"""(topic without the prefix, partition)"""


class CannotRead(Exception):
    """The topics cannot be compared; the message is one line with cause and cure."""


class Raw(NamedTuple):
    """A record as the broker gave it; *time_ms* is when it was appended."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    time_ms: int
    headers: dict[str, bytes]


@dataclass(slots=True)
class Topics:
    """The topics under *prefix*, from `begins` up to the `ends` of the moment this was made."""

    bootstrap_servers: str
    prefix: str = ""
    security: Mapping[str, str] = field(default_factory=dict, repr=False)
    partitions: dict[str, int] = field(default_factory=dict)
    log_id: str = ""
    begins: dict[Place, int] = field(default_factory=dict)
    ends: dict[Place, int] = field(default_factory=dict)
    # Partitions of which no transaction was open, and none ended while the moment was taken.
    at_rest: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        admin = AdminClient(self._client())
        try:
            self._describe(admin)
            self.ends = self._ends(admin, (STATE,), committed=True)
            self.ends |= self._ends(admin, (ACKS, SENDS, DEAD_LETTERS), committed=False)
            sends = self._ends(admin, (SENDS,), committed=True)
            after = self._ends(admin, (STATE,), committed=False)
            self.ends |= self._ends(admin, (LOG,), committed=True)
            still = {place for place, end in (sends | after).items() if end == self.ends[place]}
            self.at_rest = {p for name, p in still if name == STATE and (SENDS, p) in still}
            oldest = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
            self.begins = self._offsets(admin, self.ends, oldest, committed=False)
        except KafkaException as exc:
            raise CannotRead(
                f"the topics cannot be read ({exc.args[0].str()}): see `mailing-trigger doctor`"
            ) from exc

    def size(self, *names: str) -> int:
        """Return how many offsets there are to read."""
        return sum(
            max(end - self.begins[place], 0)
            for place, end in self.ends.items()
            if place[0] in (names or self.partitions)
        )

    def _client(self) -> dict[str, Any]:
        return {"bootstrap.servers": self.bootstrap_servers, "log_level": 0, **self.security}

    def _describe(self, admin: AdminClient) -> None:
        names = {self.prefix + name: name for name in (LOG, ACKS, SENDS, STATE, DEAD_LETTERS)}
        admin.list_topics(timeout=_ASK_S)
        described = admin.describe_topics(TopicCollection(list(names)), request_timeout=_ASK_S)
        for full, future in described.items():
            try:
                topic = future.result(_ASK_S)
            except KafkaException as exc:
                if exc.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
                raise CannotRead(
                    f"topic {full} does not exist: name another prefix with --topic-prefix, or run "
                    "`mailing-trigger topics create`"
                ) from exc
            self.partitions[names[full]] = len(topic.partitions)
            if names[full] == LOG:
                self.log_id = str(topic.topic_id)
        if {self.partitions[name] for name in (SENDS, STATE, DEAD_LETTERS)} != {
            self.partitions[LOG]
        }:
            raise CannotRead(
                "the topics differ in their number of partitions: `mailing-trigger topics check` "
                "names the one that is wrong"
            )

    def _ends(
        self, admin: AdminClient, names: Iterable[str], *, committed: bool
    ) -> dict[Place, int]:
        places = [(name, p) for name in names for p in range(self.partitions[name])]
        newest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        return self._offsets(admin, places, newest, committed=committed)

    def _offsets(
        self, admin: AdminClient, places: Iterable[Place], spec: Any, *, committed: bool
    ) -> dict[Place, int]:
        level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        asked = {TopicPartition(self.prefix + name, p): spec for name, p in places}
        listed = admin.list_offsets(asked, isolation_level=level, request_timeout=_ASK_S)
        return {
            (place.topic.removeprefix(self.prefix), place.partition): found.result(_ASK_S).offset
            for place, found in listed.items()
        }

    def read(
        self,
        name: str,
        partition: int | None = None,
        read_to: Callable[[int], None] = lambda _: None,
    ) -> Iterator[Raw]:
        """Yield the committed records of one partition, or of all; each in its order.

        *read_to* hears how many offsets passed. CannotRead when nothing comes for a minute.
        """
        numbers = range(self.partitions[name]) if partition is None else (partition,)
        at = {p: self.begins[name, p] for p in numbers}
        ends = {p: self.ends[name, p] for p in numbers}
        left = {p for p in numbers if at[p] < ends[p]}
        if not left:
            return
        consumer = self._consumer()
        try:
            consumer.assign([TopicPartition(self.prefix + name, p, at[p]) for p in left])
            heard = time.monotonic()
            while left:
                # Asked for many at once, it would wait for all of them, also at the end.
                messages = consumer.consume(1, _POLL_S)
                messages += consumer.consume(_AT_ONCE, 0) if messages else ()
                before = sum(at.values())
                for message in messages:
                    # None of those that say what is wrong.
                    p, offset = message.partition() or 0, message.offset() or 0
                    if message.error() is not None:
                        at[p] = min(self._reached(name, message), ends[p])
                    elif offset < ends[p]:
                        at[p] = offset + 1
                        yield _raw(message, p, offset)
                    else:
                        at[p] = ends[p]
                read_to(sum(at.values()) - before)
                left = {p for p in left if at[p] < ends[p]}
                if messages:
                    heard = time.monotonic()
                elif time.monotonic() - heard > _SILENT_S:
                    p = min(left)
                    raise CannotRead(
                        f"{self.prefix}{name}[{p}] gives nothing beyond offset {at[p]}: a "
                        "transaction there is still open; end the worker that hangs, and try again"
                    )
        finally:
            consumer.close()

    def _consumer(self) -> Consumer:
        return Consumer(
            self._client()
            | {
                # The client insists on one; nobody joins it, for partitions are assigned.
                "group.id": "mailing-trigger-verify",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                # What retention deletes while it is read must not be jumped over in silence.
                "auto.offset.reset": "error",
                "check.crcs": True,
                "fetch.wait.max.ms": 10,
                "fetch.queue.backoff.ms": 5,
                # Fetched ahead: little, since each that waits takes its size and half a KiB.
                "queued.min.messages": 10_000,
                "queued.max.messages.kbytes": 16_384,
            }
        )

    def _reached(self, name: str, message: Any) -> int:
        """Return the offset at which *message* says that its partition ends."""
        error = message.error()
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
            return int(message.offset())
        if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - its public name
            raise CannotRead(
                f"{self.prefix}{name} lost its oldest records while it was read: try again"
            )
        raise CannotRead(f"{self.prefix}{name} cannot be read ({error.str()}): try again")


def _raw(message: Any, partition: int, offset: int) -> Raw:
    headers = message.headers()
    return Raw(
        partition,
        offset,
        message.key(),
        message.value(),
        message.timestamp()[1],
        dict(headers) if headers else {},
    )
