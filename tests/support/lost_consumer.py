"""A consumer that loses every broker when told to, as librdkafka may (its issue 5301)."""

from __future__ import annotations

import threading
import time
from typing import Any, ClassVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition


class LostConsumer(Consumer):
    """Hears nothing, and asks in vain, once it is `lost`; those made later hear."""

    made: ClassVar[list[LostConsumer]] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lost = False
        # Set once its user has polled in vain.
        self.deaf = threading.Event()
        self.made.append(self)

    def poll(self, timeout: float = -1) -> Message | None:
        if not self.lost:
            return super().poll(timeout)
        self.deaf.set()
        time.sleep(timeout)
        return None

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
        return [] if self.lost else super().consume(num_messages, timeout)

    def offsets_for_times(
        self, partitions: list[TopicPartition], timeout: float = -1
    ) -> list[TopicPartition]:
        if self.lost:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return super().offsets_for_times(partitions, timeout=timeout)


class DeafConsumer(LostConsumer):
    """Asks as ever, and hears nothing, once it is `lost`."""

    def offsets_for_times(
        self, partitions: list[TopicPartition], timeout: float = -1
    ) -> list[TopicPartition]:
        return Consumer.offsets_for_times(self, partitions, timeout=timeout)
