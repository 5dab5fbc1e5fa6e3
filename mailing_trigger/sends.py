"""What the worker has handed to whoever delivers: a look at `mailing.sends`, without a group."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from mailing_trigger.adapters import broker_of, quiet
from mailing_trigger.errors import CommandError
from producers.registry import framing_from
from schemas.codec import Codec
from schemas.topics import SENDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mailing_trigger.settings import Settings

POLL_S = 0.25


def read_sends(
    settings: Settings, *, within_s: float, check: Callable[[], None]
) -> Iterator[dict[str, Any]]:
    """Yield every committed send from the oldest on, for *within_s*; *check* may end the wait."""
    consumer = Consumer(
        {
            **quiet(settings),
            "bootstrap.servers": broker_of(settings),
            # The client insists on one; nobody joins it, for partitions are assigned.
            "group.id": "mailing-trigger-sends",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
        }
    )
    codec = Codec(framing_from(settings.schema_registry_url))
    deadline = time.monotonic() + within_s
    try:
        topic = settings.topic_prefix + SENDS
        partitions = consumer.list_topics(topic, timeout=within_s).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        while (left := deadline - time.monotonic()) > 0:
            check()
            message = consumer.poll(min(left, POLL_S))
            if message is None:
                continue
            error = message.error()
            if error is not None:
                raise KafkaException(error)
            yield codec.decode(message.value())[1]
    finally:
        consumer.close()
    raise CommandError(f"no further send came within {within_s:.0f} s")
