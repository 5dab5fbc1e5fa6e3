"""Creating the topics, and checking that they are what the wire needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from schemas.topics import DEFAULT_PARTITIONS, LOG, MAX_PARTITIONS, TOPICS

if TYPE_CHECKING:
    from collections.abc import Mapping

_WAIT_S = 20.0
# What librdkafka says when nobody answers it.
_UNANSWERED = {
    KafkaError._TIMED_OUT,  # noqa: SLF001 - their public names
    KafkaError._TRANSPORT,  # noqa: SLF001
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
}
_TO_CREATE = "run `mailing-trigger topics create`"


class AdminError(Exception):
    """The broker could not be asked, or refused; the message is one readable line."""


class NoAnswer(AdminError):
    """No broker answers, or not in time: a later try may be answered."""


@dataclass(frozen=True, slots=True)
class TopicShape:
    """What a broker says of a topic: its UUID and its number of partitions."""

    topic_id: str
    partitions: int


def create_topics(
    bootstrap_servers: str,
    *,
    prefix: str = "",
    partitions: int = DEFAULT_PARTITIONS,
    replication: int = 1,
    security: Mapping[str, str] | None = None,
) -> list[str]:
    """Create the topics that do not exist; return their names."""
    if not 1 <= partitions <= MAX_PARTITIONS:
        raise AdminError(f"the log can have 1 to {MAX_PARTITIONS} partitions, not {partitions}")
    client = _client(bootstrap_servers, security)
    wanted = [
        NewTopic(
            prefix + topic.name,
            num_partitions=topic.partitions or partitions,
            replication_factor=replication,
            config=dict(topic.config) | ({"min.insync.replicas": "2"} if replication > 2 else {}),
        )
        for topic in TOPICS
    ]
    created = []
    for name, future in client.create_topics(wanted, operation_timeout=_WAIT_S).items():
        try:
            future.result(_WAIT_S)
            created.append(name)
        except KafkaException as exc:
            if exc.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise AdminError(f"topic {name} could not be created: {_why(exc)}") from exc
    return created


def check_topics(
    bootstrap_servers: str, *, prefix: str = "", security: Mapping[str, str] | None = None
) -> list[str]:
    """Return what is wrong with the topics, a sentence each; empty when they are right."""
    client = _client(bootstrap_servers, security)
    names = [prefix + topic.name for topic in TOPICS]
    shapes = topic_shapes(client, names)
    problems = [
        f"topic {name} does not exist: {_TO_CREATE}" for name in names if name not in shapes
    ]
    if problems:
        return problems
    log_partitions = shapes[prefix + LOG].partitions
    for topic in TOPICS:
        name = prefix + topic.name
        wanted, found = topic.partitions or log_partitions, shapes[name].partitions
        if found != wanted:
            problems.append(
                f"topic {name} has {found} partitions and needs {wanted}: create the topics anew "
                "under another prefix, for a partition count cannot be changed later"
            )
        problems += _config_problems(client, name, topic.config)
    return problems


def topic_shapes(
    client: AdminClient, names: list[str], *, within_s: float = _WAIT_S
) -> dict[str, TopicShape]:
    """Return the shape of each topic that exists."""
    shapes = {}
    try:
        described = client.describe_topics(TopicCollection(names), request_timeout=within_s)
        for name, future in described.items():
            try:
                topic = future.result(within_s)
            except KafkaException as exc:
                if exc.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
                continue
            shapes[name] = TopicShape(str(topic.topic_id), len(topic.partitions))
    except KafkaException as exc:
        raise _unread("the topics", exc) from exc
    except TimeoutError as exc:
        raise NoAnswer(f"the topics could not be read: no answer in {within_s:g} s") from exc
    return shapes


def _config_problems(client: AdminClient, name: str, wanted: Mapping[str, str]) -> list[str]:
    resource = ConfigResource(ResourceType.TOPIC, name)
    try:
        found: dict[str, Any] = client.describe_configs([resource])[resource].result(_WAIT_S)
    except KafkaException as exc:
        raise _unread(f"the settings of {name}", exc) from exc
    except TimeoutError as exc:
        raise NoAnswer(
            f"the settings of {name} could not be read: no answer in {_WAIT_S:g} s"
        ) from exc
    # Retention may be set as one likes; these decide whether the system is right.
    binding = ("cleanup.policy", "message.timestamp.type", "max.message.bytes")
    return [
        f"topic {name} has {key}={found[key].value} and needs {wanted[key]}: set it with "
        f"`kafka-configs --alter --topic {name} --add-config {key}={wanted[key]}`"
        for key in binding
        if key in wanted and found[key].value != wanted[key]
    ]


def _client(bootstrap_servers: str, security: Mapping[str, str] | None) -> AdminClient:
    # What fails is raised; librdkafka would print the same, many times.
    quiet = {**(security or {}), "log_level": "0"}
    client = AdminClient({"bootstrap.servers": bootstrap_servers, **quiet})
    try:
        client.list_topics(timeout=_WAIT_S)
    except KafkaException as exc:
        raise NoAnswer(
            f"no broker answers at {bootstrap_servers}: start one with `mailing-trigger up`, or "
            f"name it by --bootstrap-servers ({_why(exc)})"
        ) from exc
    return client


def _unread(what: str, exc: KafkaException) -> AdminError:
    error = NoAnswer if exc.args[0].code() in _UNANSWERED else AdminError
    return error(f"{what} could not be read: {_why(exc)}")


def _why(exc: KafkaException) -> str:
    return str(exc.args[0].str())
