"""The brokers the suite runs on: embedded, in a container, or somebody's own."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import pytest

from tests.support.environment import REQUIRE, REQUIRED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streams.embedded.broker import EmbeddedBroker

ANSWER_WITHIN_S = 10.0
# On a machine that others use too.
SERVE_WITHIN_S = 180.0


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker that serves; *broker* is there when it is ours to stop and start."""

    bootstrap_servers: str
    broker: EmbeddedBroker | None = None


def missing(reason: str) -> NoReturn:
    """Skip the test that asked, saying why; fail it where everything must be there."""
    if REQUIRED:
        pytest.fail(f"{reason} ({REQUIRE} is set, so this is no reason to skip)", pytrace=False)
    pytest.skip(reason)


@contextmanager
def embedded(data_dir: Path) -> Iterator[Broker]:
    """Apache Kafka from the wheel and the jars, with its data in *data_dir*."""
    from streams.embedded.broker import EmbeddedBroker
    from streams.embedded.errors import BrokerError
    from tests.support.ports import own_port

    broker = EmbeddedBroker(data_dir, own_port(), serve_within_s=SERVE_WITHIN_S)
    try:
        broker.start()
    except BrokerError as exc:
        missing(f"no embedded broker: {exc}")
    try:
        yield Broker(broker.bootstrap_servers, broker)
    finally:
        broker.stop()


@contextmanager
def container() -> Iterator[Broker]:
    """`apache/kafka` in a container of the Docker engine that is running."""
    from docker.errors import DockerException, ImageNotFound

    from tests.support.kafka_container import ApacheKafkaContainer

    try:
        kafka = ApacheKafkaContainer()
    except DockerException as exc:
        missing(f"no Docker engine: {exc}")
    try:
        kafka.start()
    except ImageNotFound as exc:
        missing(f"no image {kafka.image}: {exc.explanation}")
    try:
        kafka.wait_until_serving()
        yield Broker(kafka.bootstrap_servers)
    finally:
        kafka.stop()


@contextmanager
def remote(address: str) -> Iterator[Broker]:
    """The broker at *address*, which is left as it was found."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    try:
        AdminClient({"bootstrap.servers": address}).list_topics(timeout=ANSWER_WITHIN_S)
    except KafkaException as exc:
        missing(f"no broker answers at {address}: {exc.args[0].str()}")
    yield Broker(address)
