"""Writing to a topic what no client of ours would write."""

from __future__ import annotations

from confluent_kafka import KafkaError, Message, Producer

DELIVERED_WITHIN_S = 30.0


def produce(
    bootstrap_servers: str,
    topic: str,
    records: list[tuple[int, bytes | None, bytes | None]],
) -> list[tuple[int, int]]:
    """Write (partition, key, value) records; return their (partition, offset)."""
    producer = Producer({"bootstrap.servers": bootstrap_servers, "message.max.bytes": 2_000_000})
    places: list[tuple[int, int]] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        places.append((message.partition() or 0, message.offset() or 0))

    for partition, key, value in records:
        producer.produce(topic, value, key, partition=partition, on_delivery=delivered)
        assert producer.flush(DELIVERED_WITHIN_S) == 0
    return places
