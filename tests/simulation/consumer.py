"""`confluent_kafka.Consumer` as the worker uses it, on the simulated broker.

librdkafka has threads of its own: one talks to the group, one fetches ahead. They are actors here
too. What they find reaches the application inside `poll` and `consume`, callbacks included.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, Message, TopicPartition

from tests.simulation.broker import PartitionLog, refusal
from tests.simulation.group import Membership
from tests.simulation.scheduler import Gone, Steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.process import Process

# A fetch's answer: few records, so that there are many.
# Of every record: the broker's clock stands still.
LOG_TIME_MS = 1_700_000_000_000
_FETCH_RECORDS = 2
# Polls in a row with nothing, and nothing else at work in the process, before one may take longer.
_IDLE_POLLS = 2


@dataclass
class _Assigned:
    """A partition that is fetched, from *position* on; *version* grows with every jump."""

    place: tuple[str, int]
    position: int
    version: int
    fetching: bool = False
    told_end: int = -1


class SimConsumer:
    """A consumer of *process*, made with librdkafka's own configuration."""

    def __init__(self, process: Process, config: dict[str, Any]) -> None:
        self._process, self._world = process, process.world
        self._broker, self._scheduler = process.world.broker, process.world.scheduler
        self._committed = config["isolation.level"] == "read_committed"
        self._ends = bool(config.get("enable.partition.eof", False))
        assert config["enable.auto.commit"] is False
        self._session_s = config.get("session.timeout.ms", 45_000) / 1000
        self._assigned: dict[int, _Assigned] = {}
        self._versions = 0
        self._fetched: deque[tuple[int, Message]] = deque()
        self._closed = False
        self._worked = self._idle_polls = 0
        # Of the group.
        self._topic = ""
        self._member_id, self._generation = "", -1
        self._owned: set[int] = set()
        self._joining = self._joined = False
        self._events: deque[tuple[str, set[int]]] = deque()
        self._callbacks: dict[str, Callable[[Any, list[TopicPartition]], None]] = {}
        self._actors = [
            self._scheduler.add(
                Steps(f"{process.name} fetcher", process, self._can_fetch, self._fetch)
            )
        ]

    # The group

    def subscribe(self, topics: list[str], **callbacks: Any) -> None:
        """Join the group."""
        (self._topic,) = topics
        self._callbacks = callbacks
        self._process.members.append(self)
        self._actors.append(
            self._scheduler.add(
                Steps(f"{self._process.name} group", self._process, self._group_calls, self._group)
            )
        )

    def memberid(self) -> str:
        """The member id the coordinator gave us."""
        return self._member_id

    def consumer_group_metadata(self) -> Membership:
        """The membership as the background thread knows it now, ahead of any callback."""
        self._check()
        return Membership(self._member_id, self._generation)

    def _group_calls(self) -> bool:
        if self._events or self._closed:
            # It joins again only when the application has heard of what it lost.
            return False
        group = self._broker.group
        member = group.members.get(self._member_id)
        if member is None or self._joining:
            return True
        if member.joined:
            return False
        return group.preparing or group.generation != self._generation

    def _group(self) -> None:
        group = self._broker.group
        member = group.members.get(self._member_id)
        if member is None:
            if self._owned:
                # A heartbeat was answered UNKNOWN_MEMBER_ID: the assignment is lost.
                self._events.append(("on_lost", set(self._owned)))
                return
            self._world.member_count += 1
            self._member_id = f"m{self._world.member_count}"
            self._joining = False
            group.join(self._member_id, set())
        elif self._joining or group.preparing:
            self._joining = False
            group.join(self._member_id, self._owned)
        else:
            self._generation = group.generation
            revoked, added = self._owned - member.assigned, member.assigned - self._owned
            if revoked:
                self._events.append(("on_revoke", revoked))
            if added or not revoked:
                self._events.append(("on_assign", added))

    def silence(self, until: float) -> None:
        """Let the process's heartbeats stop now."""
        if until > self._scheduler.now:
            self._broker.group.silent(self._member_id, self._scheduler.now + self._session_s)

    def wake(self) -> None:
        """Let heartbeats go on, if there is still a session."""
        self._broker.group.silent(self._member_id, float("inf"))

    def _tell(self) -> None:
        """Run the next callback, on the thread that polls."""
        what, partitions = self._events[0]
        places = [TopicPartition(self._topic, p) for p in sorted(partitions)]
        if what != "on_assign" and self._process.restoring:
            self._broker.saw["rebalance during restore"] += 1
        self._callbacks[what](self, places)
        if what == "on_assign":
            self._owned |= partitions
        else:
            self._owned -= partitions
            for partition in partitions:
                self._assigned.pop(partition, None)
            if what == "on_revoke":
                self._joining = True
        if self._events:
            self._events.popleft()

    def committed(self, places: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        """The group's offsets; a careful reader waits for one that an open transaction changes."""
        stable = self._committed
        what = "the stable offset" if stable else "the offset"
        refused = refusal(KafkaError._TIMED_OUT, f"{what} not answered", retriable=True)
        if self._world.call(self._process, f"asks for {what}", "is not answered"):
            raise refused
        (place,) = places
        pending = self._broker.pending[place.partition]
        if stable and pending:
            self._broker.saw["offset unstable"] += 1
            self._scheduler.wait(lambda: not pending, timeout, f"waits for {what}")
            if pending:
                raise refused
        offset, note = self._broker.offset(place.partition, stable=stable) or (-1001, "")
        return [TopicPartition(place.topic, place.partition, offset, note)]

    def offsets_for_times(
        self, places: list[TopicPartition], timeout: float
    ) -> list[TopicPartition]:
        """Where the topics end; that a consumer may hear nothing any more is not in here."""
        return [
            TopicPartition(
                place.topic, place.partition, self._broker.logs[(place.topic, place.partition)].end
            )
            for place in places
        ]

    # Partitions

    def assign(self, places: list[TopicPartition]) -> None:
        """Fetch these from where they say."""
        self._assigned.clear()
        self.incremental_assign(places)

    def incremental_assign(self, places: list[TopicPartition]) -> None:
        """Fetch these as well."""
        self._check()
        for place in places:
            self._versions += 1
            assert place.partition not in self._assigned
            self._assigned[place.partition] = _Assigned(
                (place.topic, place.partition), place.offset, self._versions
            )

    def incremental_unassign(self, places: list[TopicPartition]) -> None:
        """Fetch these no more; what was fetched ahead is forgotten."""
        self._check()
        for place in places:
            del self._assigned[place.partition]

    def seek(self, place: TopicPartition) -> None:
        """Go on elsewhere; `_STATE` while the background thread has not begun to fetch."""
        self._check()
        assigned = self._assigned.get(place.partition)
        if assigned is None or not assigned.fetching:
            self._broker.saw["seek before the first fetch"] += 1
            raise refusal(KafkaError._STATE, "erroneous state")
        self._versions += 1
        assigned.version, assigned.position, assigned.told_end = self._versions, place.offset, -1

    def _can_fetch(self) -> bool:
        return len(self._fetched) < 2 * _FETCH_RECORDS and any(
            not each.fetching or self._news(each) for each in self._assigned.values()
        )

    def _news(self, assigned: _Assigned) -> bool:
        end = self._end(assigned)
        return assigned.position < end or (self._ends and assigned.told_end < end)

    def _end(self, assigned: _Assigned) -> int:
        log = self._broker.logs[assigned.place]
        return log.stable_end if self._committed else log.end

    def _fetch(self) -> None:
        for partition, assigned in self._assigned.items():
            assigned.fetching = True
            if not self._news(assigned):
                continue
            topic, end = assigned.place[0], self._end(assigned)
            records = self._broker.logs[assigned.place].records
            found = 0
            while assigned.position < end and found < _FETCH_RECORDS:
                record = records[assigned.position]
                assigned.position += 1
                if not record.marker and (not self._committed or PartitionLog.shows(record)):
                    found += 1
                    message = Message(
                        topic=topic,
                        partition=partition,
                        offset=record.offset,
                        key=record.key,
                        value=record.value,
                        timestamp=(2, LOG_TIME_MS),
                    )
                    self._fetched.append((assigned.version, message))
            if self._ends and assigned.position == end:
                # Said once at each end, however often it is reached anew.
                assigned.told_end = end
                if self._broker.logs[assigned.place].open and not self._topic:
                    self._broker.saw["restore met a transaction without its marker"] += 1
                said = KafkaError(KafkaError._PARTITION_EOF)
                message = Message(topic=topic, partition=partition, offset=end, error=said)
                self._fetched.append((assigned.version, message))
            # The one fetched longest ago is next.
            self._assigned[partition] = self._assigned.pop(partition)
            return

    # Taking

    def poll(self, timeout: float) -> Message | None:
        """Return a message, or None after *timeout* s; callbacks run in here."""
        self._check()
        self._scheduler.wait(self._has_something, timeout, "polls", lazy=self._idle)
        self._check()
        while self._events:
            self._tell()
        message = self._pop()
        quiet = message is None and self._process.worked == self._worked
        self._idle_polls = self._idle_polls + 1 if quiet else 0
        self._worked = self._process.worked
        return message

    def _idle(self) -> bool:
        """Whether this process has been doing nothing for a while but to look for records."""
        return self._idle_polls >= _IDLE_POLLS and self._process.worked == self._worked

    def consume(self, count: int, timeout: float) -> list[Message]:
        """Return what is there already."""
        assert timeout == 0
        found = []
        while len(found) < count:
            while self._events:
                self._tell()
            message = self._pop()
            if message is None:
                break
            found.append(message)
        return found

    def _has_something(self) -> bool:
        return bool(self._events or self._fetched)

    def _pop(self) -> Message | None:
        while self._fetched:
            version, message = self._fetched.popleft()
            assigned = self._assigned.get(message.partition() or 0)
            if assigned is not None and assigned.version == version:
                return message
        return None

    def get_watermark_offsets(
        self, place: TopicPartition, *, timeout: float, cached: bool
    ) -> tuple[int, int]:
        """Where the partition begins and ends for this reader."""
        self._check()
        assert not cached
        if self._world.call(self._process, "asks for the end", "is not answered"):
            raise refusal(KafkaError._TIMED_OUT, f"no end in {timeout} s", retriable=True)
        log = self._broker.logs[place.topic, place.partition]
        return 0, log.stable_end if self._committed else log.end

    # Committing, leaving

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> None:
        """OffsetCommit under the membership of now."""
        assert not asynchronous
        membership = self.consumer_group_metadata()
        fault = self._world.call(self._process, "commits an offset", "is not answered")
        if self._broker.group.preparing and self._broker.group.members.get(self._member_id):
            # Classic groups take commits until all have joined; a rebalance may refuse one.
            self._broker.saw["offset commit while the group prepares"] += 1
        self._broker.commit_offsets(
            {place.partition: (place.offset, place.metadata or "") for place in offsets}, membership
        )
        if fault:
            raise refusal(KafkaError.REQUEST_TIMED_OUT, "commit not answered", retriable=True)

    def close(self) -> None:
        """Give everything up and leave the group."""
        if self._process.dead:
            raise Gone
        if self._owned and self._topic:
            lost = self._member_id not in self._broker.group.members
            self._events.clear()
            self._events.append(("on_lost" if lost else "on_revoke", set(self._owned)))
            self._tell()
        self._closed = True
        for actor in self._actors:
            self._scheduler.remove(actor)
        if self._topic:
            self._broker.group.leave(self._member_id)
            self._process.members.remove(self)

    def _check(self) -> None:
        if self._process.dead:
            raise Gone
