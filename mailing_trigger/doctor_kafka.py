"""The doctor's questions to the broker, the registry and the workers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from mailing_trigger.adapters import broker_of, quiet, worker_settings
from mailing_trigger.errors import CommandError
from mailing_trigger.findings import Finding, cause_and_cure, fail, ok, warn
from streams.worker.admin import AdminError, check_topics
from streams.worker.kafka import offsets_consumer
from streams.worker.retry import pauses

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from mailing_trigger.settings import Settings
    from streams.worker.settings import WorkerSettings

T = TypeVar("T")

ANSWER_WITHIN_S = 10.0
# A broker that is new, or was just started again, shares its groups out within seconds.
_SETTLES_WITHIN_S = 10.0
_MOVING = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}
MANY_BEHIND = 100_000


def findings(settings: Settings) -> Iterator[Finding]:
    """Yield what there is to say about Kafka and what hangs on it; stop where nothing answers."""
    yield from _registry(settings)
    try:
        servers = broker_of(settings)
    except CommandError as exc:
        yield warn("broker", *cause_and_cure(str(exc)))
        return
    admin = AdminClient({**quiet(settings), "bootstrap.servers": servers})
    try:
        began = time.monotonic()
        brokers = len(admin.list_topics(timeout=ANSWER_WITHIN_S).brokers)
        took_ms = (time.monotonic() - began) * 1000
    except KafkaException as exc:
        yield fail(
            "broker",
            f"none answers at {servers} ({exc.args[0].str()})",
            "start it, or name another with --bootstrap-servers; for SASL and TLS see [kafka]",
        )
        return
    yield ok("broker", f"{brokers} at {servers}, {took_ms:.0f} ms away")
    problems = yield from _topics(settings, servers)
    if not problems:
        yield from _workers(settings, admin)


def _registry(settings: Settings) -> Iterator[Finding]:
    if settings.schema_registry_url is None:
        return
    from producers.registry import framing_from  # noqa: PLC0415 - half a second

    try:
        framing_from(settings.schema_registry_url)
    except Exception as exc:  # noqa: BLE001 - whatever its client raises is the finding
        yield fail("registry", f"it does not answer as one ({type(exc).__name__})", "see its log")
    else:
        yield ok("registry", "answers and has our schemas")


def _topics(settings: Settings, servers: str) -> Generator[Finding, None, list[str]]:
    """Yield what is wrong with the topics, and return it."""
    try:
        problems = check_topics(servers, prefix=settings.topic_prefix, security=settings.kafka)
    except AdminError as exc:
        problems = [str(exc)]
    for problem in problems:
        yield fail("topics", *cause_and_cure(problem))
    if not problems:
        yield ok("topics", "all there, with the partitions and settings they need")
    return problems


def once_settled(ask: Callable[[], T]) -> T:
    """Return what *ask* finds; asked again while brokers share out who keeps the groups."""
    for pause in pauses(_SETTLES_WITHIN_S):
        try:
            return ask()
        except KafkaException as exc:
            if exc.args[0].code() not in _MOVING:
                raise
            time.sleep(pause)
    return ask()


def _workers(settings: Settings, admin: AdminClient) -> Iterator[Finding]:
    try:
        worker = worker_settings(settings)
        group = worker.group_id
        members = once_settled(lambda: _members(admin, group))
        behind = once_settled(lambda: _behind(admin, worker))
    except KafkaException as exc:
        yield fail(
            "workers", f"the group cannot be read ({exc.args[0].str()})", "see the broker's log"
        )
        return
    state = f"{members} processes in group {group}, {behind} events behind"
    if not members:
        cure = "start one: `mailing-trigger worker`, or `mailing-trigger up`"
        yield warn("workers", f"none runs, {behind} events wait", cure)
    elif behind > MANY_BEHIND:
        yield warn("workers", state, "wait, or start more processes")
    else:
        yield ok("workers", state)


def _members(admin: AdminClient, group: str) -> int:
    described = admin.describe_consumer_groups([group], request_timeout=ANSWER_WITHIN_S)
    try:
        return len(described[group].result(ANSWER_WITHIN_S).members)
    except KafkaException:
        return 0  # a group that nobody has joined yet is an error to the broker


def _behind(admin: AdminClient, worker: WorkerSettings) -> int:
    """Return how many events of the log no worker has finished."""
    topic = worker.log
    numbers = admin.list_topics(topic, timeout=ANSWER_WITHIN_S).topics[topic].partitions
    places = [TopicPartition(topic, number) for number in numbers]
    consumer = offsets_consumer(worker, stable=False)
    try:
        done = consumer.committed(places, ANSWER_WITHIN_S)
    finally:
        consumer.close()
    newest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    ends = admin.list_offsets(dict.fromkeys(places, newest))
    last = {place.partition: end.result(ANSWER_WITHIN_S).offset for place, end in ends.items()}
    # No offset yet is a negative number.
    return sum(last[place.partition] - max(place.offset, 0) for place in done)
