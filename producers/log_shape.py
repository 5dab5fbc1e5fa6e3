"""Whether the log is still the topic a client has opened: its UUID and its partition count."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from producers.errors import LogChanged

if TYPE_CHECKING:
    from producers.settings import ClientSettings

log = logging.getLogger("mailing_trigger.client")

# Each look costs 109 bytes for good: `describe_topics` forgets a Uuid (confluent-kafka 2.16).
LOOK_EVERY_S = 5.0
ASK_S = 10.0

Shape = tuple[str, int]
"""(UUID, partitions)"""


class LogShape:
    """Looks at the log now and then, and refuses calls once it is another one.

    A producer does not mind: it would go on with a topic that was made again, where offsets and so
    IDs start anew, and spread addresses over partitions that were added.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self._topic = settings.log_topic
        self._config: dict[str, Any] = {**settings.librdkafka(), "log_level": 0}
        self._admin = AdminClient(self._config)
        self._opened: Shape | None = None
        self._changed: LogChanged | None = None
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look; comes once the topics were found to be right."""
        self._looking = asyncio.create_task(self._look())

    def close(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()

    def check(self) -> None:
        """Raise LogChanged when the log is not the one that was opened."""
        if self._changed is not None:
            raise self._changed

    async def _look(self) -> None:
        while self._changed is None:
            try:
                self._compare(await self._ask())
            except (KafkaException, TimeoutError):
                # A broker that does not answer says nothing, nor does a topic that is missing.
                # Asked with a new client: one that has lost its brokers never answers again
                # (confluentinc/librdkafka#5301). On a thread, for the old one ends there.
                await asyncio.to_thread(self._renew)
            await asyncio.sleep(random.uniform(0.5, 1) * LOOK_EVERY_S)  # noqa: S311 - jitter

    async def _ask(self) -> Shape:
        asked = self._admin.describe_topics(TopicCollection([self._topic]), request_timeout=ASK_S)
        topic = await asyncio.wrap_future(asked[self._topic])
        return str(topic.topic_id), len(topic.partitions)

    def _renew(self) -> None:
        # Where none can be made, for there are no files or threads, the old one is asked again.
        with suppress(KafkaException):
            self._admin = AdminClient(self._config)

    def _compare(self, found: Shape) -> None:
        if self._opened is None:
            self._opened = found
        if found == self._opened:
            return
        if found[0] != self._opened[0]:
            what = f"the topic {self._topic} was recreated"
        else:
            what = (
                f"the topic {self._topic} has {found[1]} partitions now and had {self._opened[1]}"
            )
        self._changed = LogChanged(
            f"{what}: IDs would be given out twice; use a new topic prefix and start again"
        )
        log.error("%s", self._changed)
