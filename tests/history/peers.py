"""Others under the same faults: what each loses, doubles and changes of one log.

Two processes of a contestant share a log that grows at a steady rate, while one of them is killed
or frozen past its session, again and again. When all is over and read to the end, every event has
to have its answer and one message, and every address one ID.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from confluent_kafka import Producer

from schemas.partition import partition_for
from schemas.records import DedupPolicy
from streams.worker.admin import create_topics
from tests.history.peer_loop import SESSION_S
from tests.history.system import Place
from tests.history.topics import (
    REST_WITHIN_S,
    Topics,
    committed_of,
    consumer_of,
    ends_of,
    is_at_rest,
    read_all,
)
from tests.support.events import triggered
from tests.support.processes import Processes
from tests.support.topics import PARTITIONS, fresh_prefix
from tests.support.wait import eventually
from tests.support.worker import MID, ORG, Cluster, drained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.support.processes import Running
    from tests.support.proxied import Proxied

EVENTS_A_SECOND = 200
PEOPLE = 2_000
FAULTS = 8
_BETWEEN_S = (3.0, 5.0)
_DOWN_S = 2.0
_FROZEN_S = (1.5 * SESSION_S, 2 * SESSION_S)
_QUIET_S = 8.0
_SETTLED_WITHIN_S = 180.0

OURS = "mailing-trigger"


def _ours(cluster: Cluster, _: int) -> Running:
    return cluster.start(SESSION_TIMEOUT_S=str(SESSION_S))


def _loop(cluster: Cluster, _: int) -> Running:
    where = (cluster.bootstrap_servers, cluster.prefix, cluster.group)
    return cluster.processes.start_module("tests.history.peer_loop", *where)


def _faust(guarantee: str) -> Callable[[Cluster, int], Running]:
    def start(cluster: Cluster, number: int) -> Running:
        folder = str(cluster.directory / f"faust-{number}")
        where = (cluster.bootstrap_servers, cluster.prefix, cluster.group, folder)
        return cluster.processes.start_module("tests.history.peer_faust", *where, guarantee)

    return start


CONTESTANTS: dict[str, Callable[[Cluster, int], Running]] = {
    OURS: _ours,
    "plain loop": _loop,
    "Faust, at least once": _faust("at_least_once"),
    "Faust, exactly once": _faust("exactly_once"),
}


@dataclass(slots=True)
class Found:
    """What a contestant left of *events*: each number is one of events, or of addresses."""

    events: int
    faults: int
    # Beyond the offset that the group has committed when it was given up.
    unread: int = 0
    unanswered: int = 0
    unsent: int = 0
    doubled: int = 0
    messages_too_many: int = 0
    two_ids: int = 0
    counted: int = 0
    ended_by_themselves: int = 0
    settled: str = "yes"

    @property
    def kept(self) -> bool:
        """Whether each event was answered, counted and sent once, and no ID ever changed."""
        wrong = (self.unread, self.unanswered, self.unsent, self.doubled, self.two_ids)
        return not any(wrong) and self.counted == self.events and self.settled == "yes"


@dataclass(slots=True)
class Writer:
    """Appends events to the log until the block ends; `written` counts those the broker has."""

    cluster: Cluster
    written: int = 0
    _ending: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Writer:
        self._thread = threading.Thread(target=self._write, name="writer")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._thread is not None
        self._ending.set()
        self._thread.join()

    def _write(self) -> None:
        producer = Producer(
            {"bootstrap.servers": self.cluster.bootstrap_servers, "enable.idempotence": True}
        )
        topic, rng, done = self.cluster.topic("mailing.recipients"), random.Random(1), 0
        began_s = time.monotonic()
        while not self._ending.wait(0.05):
            due = int((time.monotonic() - began_s) * EVENTS_A_SECOND)
            for number in range(done, due):
                email = f"person{rng.randrange(PEOPLE)}@example.org"
                key, value = triggered(
                    ORG,
                    MID,
                    email=email,
                    context=b'"%d"' % number,
                    request_id=f"event-{number}",
                    reply_partition=number % 8,
                )
                producer.produce(topic, value, key, partition=partition_for(key or b"", PARTITIONS))
            done = due
            producer.poll(0)
        assert producer.flush(30) == 0
        self.written = done


def run(broker: Proxied, directory: Path, names: Sequence[str]) -> dict[str, Found]:
    """Let each contestant work under the same faults; return what each left."""
    found = {}
    for name in names or CONTESTANTS:
        place = directory / name.replace(", ", "-").replace(" ", "-")
        place.mkdir(parents=True)
        found[name] = _one(broker.direct, place, CONTESTANTS[name])
        print(f"{name}: {found[name]}", flush=True)
    return found


def _one(servers: str, directory: Path, start: Callable[[Cluster, int], Running]) -> Found:
    prefix = fresh_prefix()
    create_topics(servers, prefix=prefix, partitions=PARTITIONS)
    processes = Processes(directory)
    cluster = Cluster(servers, prefix, directory, processes)
    places = [Place(f"{n}", lambda n=n: start(cluster, n)) for n in range(2)]  # type: ignore[misc]
    ending = threading.Event()

    def supervise() -> None:
        while not ending.wait(0.2):
            for place in places:
                place.look()

    supervisor = threading.Thread(target=supervise, name="supervisor")
    try:
        for place in places:
            place.start()
        supervisor.start()
        if start is _ours:
            asyncio.run(_define(cluster))
        with Writer(cluster) as writer:
            eventually(lambda: sum(ends_of(cluster, "mailing.acks")) > 0, within_s=120)
            faults = _break(places, random.Random("peers"))
        settled = _settle(cluster)
        counted = asyncio.run(_counted(cluster)) if start is _ours else None
        found = check(cluster, Found(writer.written, faults), ours=counted)
        found.settled = settled
        found.ended_by_themselves = sum(place.ended_by_itself for place in places)
        return found
    finally:
        ending.set()
        supervisor.join()
        for process in processes.started:
            process.kill()


async def _define(cluster: Cluster) -> None:
    async with cluster.client() as client:
        await client.define(ORG, MID, name="A mailing", interval_s=1, dedup=DedupPolicy.NONE)


async def _counted(cluster: Cluster) -> int:
    async with cluster.client() as client:
        await client.invoke(ORG, MID)
        return (await drained(client)).triggered


def _break(places: list[Place], rng: random.Random) -> int:
    """Kill and freeze processes by turns; return how often."""
    for number in range(FAULTS):
        time.sleep(rng.uniform(*_BETWEEN_S))
        place = rng.choice(places)
        if number % 2:
            place.kill()
            time.sleep(_DOWN_S)
            place.start()
        else:
            process = place.process
            assert process is not None
            process.pause()
            time.sleep(rng.uniform(*_FROZEN_S))
            process.resume()
    time.sleep(rng.uniform(*_BETWEEN_S))
    return FAULTS


def _settle(cluster: Cluster) -> str:
    """Wait until the log is committed to its end and nothing is written any more."""
    last: tuple[float, Any] = (time.monotonic(), None)

    def quiet() -> bool:
        nonlocal last
        now = [ends_of(cluster, name) for name in ("mailing.acks", "mailing.sends")]
        if now != last[1] or not all(now) or not is_at_rest(cluster):
            last = (time.monotonic(), now)
        return time.monotonic() - last[0] > _QUIET_S

    try:
        eventually(quiet, within_s=_SETTLED_WITHIN_S, every_s=0.5)
    except AssertionError:
        return f"not within {_SETTLED_WITHIN_S:.0f} s"
    return "yes"


def check(cluster: Cluster, found: Found, *, ours: int | None) -> Found:
    """Fill in *found*; *ours* is how many events our own workers have counted."""
    topics = Topics(cluster)
    answers: dict[tuple[int, str, int], set[int]] = defaultdict(set)
    for told in topics.told:
        answers[told.asked].add(told.rid)
    messages = Counter(_asked_by(cluster, topics))
    ids: dict[str, set[int]] = defaultdict(set)
    committed = committed_of(cluster)
    for event in topics.events:
        sent = messages[event.partition, event.offset]
        if event.offset >= committed[event.partition]:
            found.unread += 1
        else:
            found.unanswered += event.asked not in answers
            found.unsent += not sent
        found.doubled += sent > 1
        found.messages_too_many += max(sent - 1, 0)
        ids[event.email] |= answers[event.asked]
    found.events = len(topics.events)
    found.two_ids = sum(len(rids) > 1 for rids in ids.values())
    found.counted = sum(_counts(topics)) if ours is None else ours
    return found


def _asked_by(cluster: Cluster, topics: Topics) -> Iterator[tuple[int, int]]:
    """Yield the (partition, offset) of the event of each message that was sent."""
    ours = [sent.send_id for sent in topics.sends]
    texts = ours or [
        (raw.value or b"").decode() for raw in read_all(cluster, cluster.topic("mailing.sends"))
    ]
    for text in texts:
        _, partition, offset, *_ = text.split(":")
        yield int(partition), int(offset)


def _counts(topics: Topics) -> Iterator[int]:
    """Yield how many events each address has had, as a peer's table says at the end."""
    cluster = topics.cluster
    for name in (cluster.topic("mailing.state"), f"{cluster.group}-people-changelog"):
        last = {}
        for raw in read_all(cluster, name) if name in _names(cluster) else ():
            last[raw.key] = raw.value or b"0:0"
        for value in last.values():
            yield int(value.split(b":")[1])


def _names(cluster: Cluster) -> set[str]:
    consumer = consumer_of(cluster, committed=True)
    try:
        return set(consumer.list_topics(timeout=REST_WITHIN_S).topics)
    finally:
        consumer.close()


_COLUMNS = (
    "events",
    "not read",
    "never answered",
    "message lost",
    "message doubled",
    "addresses with two IDs",
    "counted",
    "settled",
)


def markdown(found: dict[str, Found]) -> str:
    """Return the table."""
    lines = [
        f"| | {' | '.join(_COLUMNS)} |",
        f"|{'---|' * (len(_COLUMNS) + 1)}",
    ]
    for name, each in found.items():
        numbers = (
            each.events,
            each.unread,
            each.unanswered,
            each.unsent,
            each.doubled,
            each.two_ids,
        )
        cells = " | ".join(f"{number:,}" for number in numbers)
        off = each.counted - each.events
        lines.append(f"| {name} | {cells} | {off:+,} | {each.settled} |")
    return "\n".join(lines)
