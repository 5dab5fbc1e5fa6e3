"""What must be true of the topics before a client produces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import KafkaException

from producers.errors import LogUnavailable, NotSetUp
from schemas.topics import ACK_PARTITIONS, MAX_PARTITIONS

if TYPE_CHECKING:
    from producers.log import LogWriter
    from producers.settings import ClientSettings

_CURE = "run `mailing-trigger topics create`"


def log_partitions(log: LogWriter, settings: ClientSettings, timeout_s: float) -> int:
    """Return how many partitions the log has, once all topics are as they must be; blocks."""
    try:
        topics = log.list_topics(timeout_s).topics
    except KafkaException as exc:
        raise LogUnavailable(
            f"no broker answers at {settings.bootstrap_servers}: {exc.args[0].str()}",
            produced=False,
        ) from exc
    for name in (settings.log_topic, settings.acks_topic):
        if name not in topics or topics[name].error is not None:
            raise NotSetUp(f"the topic {name} does not exist: {_CURE}")
    acks = len(topics[settings.acks_topic].partitions)
    if acks != ACK_PARTITIONS:
        raise NotSetUp(
            f"the topic {settings.acks_topic} has {acks} partitions and must have "
            f"{ACK_PARTITIONS}: delete it and {_CURE}"
        )
    partitions = len(topics[settings.log_topic].partitions)
    if partitions > MAX_PARTITIONS:
        raise NotSetUp(
            f"the topic {settings.log_topic} has {partitions} partitions, more than "
            f"{MAX_PARTITIONS}: delete it and {_CURE}"
        )
    return partitions
