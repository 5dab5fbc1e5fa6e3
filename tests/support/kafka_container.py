"""`apache/kafka` in a container; testcontainers' own class speaks to another vendor's image."""

from __future__ import annotations

import os

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from tests.support.ports import free_port

DEFAULT_IMAGE = "apache/kafka:4.1.1"
IMAGE = os.environ.get("MAILING_TRIGGER_KAFKA_IMAGE", DEFAULT_IMAGE)
SERVES_WITHIN_S = 90
CONTROLLER_PORT = 9094


class ApacheKafkaContainer(DockerContainer):
    """One Kafka node that is broker and controller at once."""

    def __init__(self, image: str = IMAGE) -> None:
        # The same number inside and outside: the broker must advertise the outer one, and it is
        # told before the engine could say which port it has mapped.
        port = free_port()
        super().__init__(image)
        self.bootstrap_servers = f"localhost:{port}"
        self.with_bind_ports(port, port)
        self.with_envs(
            KAFKA_NODE_ID="1",
            KAFKA_PROCESS_ROLES="broker,controller",
            KAFKA_LISTENERS=f"PLAINTEXT://:{port},CONTROLLER://:{CONTROLLER_PORT}",
            KAFKA_ADVERTISED_LISTENERS=f"PLAINTEXT://{self.bootstrap_servers}",
            KAFKA_CONTROLLER_LISTENER_NAMES="CONTROLLER",
            KAFKA_CONTROLLER_QUORUM_VOTERS=f"1@localhost:{CONTROLLER_PORT}",
            KAFKA_LISTENER_SECURITY_PROTOCOL_MAP="CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR="1",
            KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR="1",
            KAFKA_TRANSACTION_STATE_LOG_MIN_ISR="1",
            KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR="1",
            KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR="1",
            KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS="0",
        )
        self.waiting_for(
            LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(SERVES_WITHIN_S)
        )
