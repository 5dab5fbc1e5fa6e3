"""What must be true of the topics before a client produces."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException

from producers.errors import LogUnavailable, NotSetUp
from schemas.topics import ACK_PARTITIONS, MAX_PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from producers.log import LogWriter
    from producers.settings import ClientSettings

# A topic that was just created is not known to every broker at once.
SETTLE_S = 2.0
PAUSE_S = 0.1

_CURE = "run `mailing-trigger topics create`"


def log_partitions(log: LogWriter, settings: ClientSettings, timeout_s: float) -> int:
    """Return how many partitions the log has, once all topics are as they must be; blocks."""
    names = (settings.log_topic, settings.acks_topic)
    deadline = time.monotonic() + SETTLE_S
    while missing := _missing(topics := _topics(log, settings, timeout_s), names):
        if time.monotonic() > deadline:
            raise NotSetUp(f"the topic {missing} does not exist: {_CURE}")
        time.sleep(random.uniform(0.5, 1) * PAUSE_S)  # noqa: S311 - jitter
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


def _topics(log: LogWriter, settings: ClientSettings, timeout_s: float) -> Mapping[str, Any]:
    try:
        topics: Mapping[str, Any] = log.list_topics(timeout_s).topics
    except KafkaException as exc:
        raise LogUnavailable(
            f"no broker answers at {settings.bootstrap_servers}: start one with `mailing-trigger "
            f"up`, or name another ({exc.args[0].str()})",
            produced=False,
        ) from exc
    return topics


def _missing(topics: Mapping[str, Any], names: Iterable[str]) -> str | None:
    return next((n for n in names if n not in topics or topics[n].error is not None), None)
