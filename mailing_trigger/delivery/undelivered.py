"""Messages that cannot be delivered, laid aside whole in a topic of their own."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException, Producer

from mailing_trigger.errors import CommandError
from schemas.topics import EFFECT_MESSAGE_BYTES

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

    from mailing_trigger.delivery.errors import DeliveryError
    from mailing_trigger.delivery.settings import DeliverySettings

_WITHIN_S = 30.0


class Undelivered:
    """Appends the record of `mailing.sends` as it was; its headers say why it is here."""

    def __init__(self, settings: DeliverySettings) -> None:
        self._topic = settings.undelivered
        self._lock = threading.Lock()
        self._producer = Producer(
            {
                "bootstrap.servers": settings.bootstrap_servers,
                "enable.idempotence": True,
                "message.max.bytes": EFFECT_MESSAGE_BYTES,
                "message.timeout.ms": int(_WITHIN_S * 1000),
                "linger.ms": 0,
                **settings.security,
            }
        )

    async def keep(self, message: Message, error: DeliveryError, tries: int) -> None:
        """Append *message*; it is in the topic when this returns."""
        await asyncio.to_thread(self._keep, message, error, tries)

    def _keep(self, message: Message, error: DeliveryError, tries: int) -> None:
        headers: list[tuple[str, str | bytes | None]] = [
            ("reason", error.reason),
            ("detail", error.detail),
            ("tries", str(tries)),
            ("offset", str(message.offset())),
        ]
        failed: list[KafkaError] = []

        def delivered(problem: KafkaError | None, _: Message) -> None:
            if problem is not None:
                failed.append(problem)

        with self._lock:
            self._producer.produce(
                self._topic,
                message.value(),
                message.key(),
                partition=message.partition() or 0,
                headers=headers,
                on_delivery=delivered,
            )
            left = self._producer.flush(_WITHIN_S + 1)
        if failed:
            raise KafkaException(failed[0])
        if left:
            raise CommandError(f"{self._topic} took nothing for {_WITHIN_S:.0f} s: see the broker")
