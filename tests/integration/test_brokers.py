"""The broker that `--kafka` names is one our worker can live on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.support.wait import eventually

if TYPE_CHECKING:
    from tests.support.brokers import Broker

WITHIN_S = 30


def create_topic(bootstrap_servers: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(WITHIN_S)


def produce(producer: Producer, topic: str, value: bytes) -> None:
    producer.begin_transaction()
    producer.produce(topic, value)
    producer.flush(WITHIN_S)


def first_value(bootstrap_servers: str, topic: str) -> bytes | None:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": topic,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    try:
        message = eventually(lambda: consumer.poll(0.5), within_s=WITHIN_S)
        assert message is not None
        return message.value()
    finally:
        consumer.close()


def test_a_committed_transaction_is_read_and_an_aborted_one_is_not(
    kafka: Broker, cluster_prefix: str
) -> None:
    topic = f"{cluster_prefix}probe"
    create_topic(kafka.bootstrap_servers, topic)
    producer = Producer(
        {"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": cluster_prefix}
    )
    producer.init_transactions(WITHIN_S)
    produce(producer, topic, b"aborted")
    producer.abort_transaction(WITHIN_S)
    produce(producer, topic, b"committed")
    producer.commit_transaction(WITHIN_S)
    assert first_value(kafka.bootstrap_servers, topic) == b"committed"
