"""The embedded broker: serves, keeps data and address, dies with its parent, says what is wrong."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from streams.embedded.broker import EmbeddedBroker
from streams.embedded.datadir import DataDir
from streams.embedded.errors import BrokerError
from tests.support.brokers import SERVE_WITHIN_S
from tests.support.wait import WITHIN_S, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.kafka

TOPIC = "t"
BIG = b"x" * (4 * 1024 * 1024)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """One broker, started for the first time, for the tests that leave it running."""
    folder = tmp_path_factory.mktemp("embedded") / "dätä, 1"
    with EmbeddedBroker(folder, serve_within_s=SERVE_WITHIN_S) as running:
        admin = AdminClient({"bootstrap.servers": running.bootstrap_servers})
        admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(30)
        yield running


def produce(broker: EmbeddedBroker, *values: bytes) -> None:
    producer = Producer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "transactional.id": "test",
            "message.max.bytes": 5 * 1024 * 1024,
        }
    )
    producer.init_transactions(WITHIN_S)
    producer.begin_transaction()
    for value in values:
        producer.produce(TOPIC, value)
    producer.commit_transaction(WITHIN_S)


def stored(broker: EmbeddedBroker, count: int) -> list[bytes]:
    """The first *count* committed values."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "group.id": "test",
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
        }
    )
    values: list[bytes] = []

    def there() -> bool:
        found = consumer.consume(count - len(values), 1)
        values.extend(message.value() for message in found if message.error() is None)
        return len(values) == count

    try:
        consumer.assign([TopicPartition(TOPIC, 0, 0)])
        eventually(there)
        return values
    finally:
        consumer.close()


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def death_of(broker: EmbeddedBroker) -> str:
    """What `check` says; empty while the broker lives."""
    try:
        broker.check()
    except BrokerError as exc:
        return str(exc)
    return ""


def test_data_and_address_survive_a_stop_and_a_crash(broker: EmbeddedBroker) -> None:
    address = broker.bootstrap_servers
    produce(broker, b"before the stop", BIG)

    broker.stop()
    broker.start()
    produce(broker, b"before the crash")
    assert death_of(broker) == ""
    os.kill(broker.pid, signal.SIGKILL)
    assert eventually(lambda: death_of(broker)).startswith("the broker died: ")
    broker.kill()
    broker.start()

    assert broker.bootstrap_servers == address
    assert stored(broker, 3) == [b"before the stop", BIG, b"before the crash"]


def test_a_misspelt_topic_is_not_created(broker: EmbeddedBroker) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers})

    with pytest.raises(KafkaException, match="UNKNOWN_TOPIC_OR_PART"):
        raise KafkaException(producer.list_topics("mispelt", 10).topics["mispelt"].error)


def test_a_data_folder_in_use_is_refused(broker: EmbeddedBroker) -> None:
    data = broker._dir.path

    with pytest.raises(BrokerError, match=f"in use by the broker with process id {broker.pid}"):
        EmbeddedBroker(data).start()


def test_a_taken_port_is_refused(broker: EmbeddedBroker, tmp_path: Path) -> None:
    port = int(broker.bootstrap_servers.split(":")[1])

    with pytest.raises(BrokerError, match=f"^port {port} is taken by another program: "):
        EmbeddedBroker(tmp_path, port=port).start()


def test_a_kept_port_that_was_taken_meanwhile_is_not_changed_silently(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        (tmp_path / "port").write_text(f"{squatter.getsockname()[1]}\n", "ascii")

        with pytest.raises(BrokerError, match=r"is taken by another program: .* or remove "):
            EmbeddedBroker(tmp_path).start()


CHILD = """
import sys, threading
from pathlib import Path
from streams.embedded.broker import EmbeddedBroker
broker = EmbeddedBroker(Path(sys.argv[1]))
starter = threading.Thread(target=broker.start)  # whose end must not end the broker
starter.start()
starter.join()
print(broker.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_the_broker_dies_with_its_parent_and_frees_the_folder(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        lived = running(pid)
        parent.kill()

    assert lived
    eventually(lambda: not running(pid))
    DataDir(tmp_path).acquire().close()
