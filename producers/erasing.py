"""What is left of a recipient that was erased: where, and until when."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    ResourceType,
)

from schemas.topics import ACKS, DEAD_LETTERS, LOG, SENDS, STATE, UNDELIVERED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from producers.settings import ClientSettings

_ASK_S = 10.0
# In the order in which they are named.
_PERSONAL = (LOG, ACKS, SENDS, DEAD_LETTERS, UNDELIVERED, STATE)
# What Kafka takes for "never" is far beyond what a date can say.
_LONGEST_MS = 100 * 365 * 86_400_000


@dataclass(frozen=True, slots=True)
class Remains:
    """A topic that may hold records about a recipient from before it was erased.

    *until* is when the brokers have deleted the last of them; None where they set no bound.
    """

    topic: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Erasure:
    """A recipient that is erased: its rid, which stays its own, and what is left elsewhere."""

    orgid: int
    rid: int
    erased: datetime
    remains: tuple[Remains, ...]


class Retention:
    """Asks the brokers how long topics keep records."""

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings

    async def remains(self, since: datetime) -> tuple[Remains, ...]:
        """Return what may still hold records that were written up to *since*."""
        names = [self._settings.topic_prefix + name for name in _PERSONAL]
        kept = await asyncio.to_thread(self._kept, names)
        return tuple(
            Remains(name, None if ms is None else since + timedelta(milliseconds=ms))
            for name, ms in kept.items()
        )

    def _kept(self, names: list[str]) -> dict[str, int | None]:
        """Return for how many ms each topic that exists keeps what it has; None: who knows."""
        config: dict[str, Any] = {**self._settings.librdkafka(), "log_level": 0}
        admin = AdminClient(config)
        kept: dict[str, int | None] = dict.fromkeys(names)
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        asked = admin.describe_configs(resources, request_timeout=_ASK_S)
        for resource, future in asked.items():
            try:
                config = future.result(_ASK_S)
            except KafkaException as exc:
                if exc.args[0].name() == "UNKNOWN_TOPIC_OR_PART":
                    del kept[resource.name]
                continue
            except TimeoutError:
                continue
            with suppress(KeyError, ValueError):
                kept[resource.name] = _kept_ms({name: each.value for name, each in config.items()})
        return kept


def _kept_ms(config: Mapping[str, Any]) -> int | None:
    """Return the longest that a record stays in a topic of this *config*, after it was written."""
    if "delete" in config["cleanup.policy"]:
        ms = int(config["retention.ms"])
        # A segment is deleted as a whole, by the age of its newest record.
        kept = ms + int(config["segment.ms"]) if ms >= 0 else _LONGEST_MS
    else:
        # What is written over goes with the next compaction; the deletion itself has the address
        # in its key, is kept for a while then, and goes with the compaction after that.
        lag = int(config["max.compaction.lag.ms"])
        kept = 2 * lag + int(config["delete.retention.ms"])
    return kept if kept < _LONGEST_MS else None
