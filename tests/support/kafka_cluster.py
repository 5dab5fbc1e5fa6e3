"""Three embedded brokers that are one Kafka: replication 3, two of them needed for a write."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from streams.embedded.broker import EmbeddedBroker, new_cluster_id
from streams.embedded.config import HOST
from tests.support.faultproxy import FaultProxy
from tests.support.ports import own_port
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NODES = 3
ASK_S = 3.0
# Three Javas start at once, on a machine that others use too.
SERVE_WITHIN_S = 120.0
WHOLE_WITHIN_S = 120.0

_SHARED = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    # One partition each, so that one broker coordinates all groups, and one all transactions.
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,BETWEEN:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "BETWEEN",
}


@dataclass(slots=True)
class Node:
    """One of the brokers, and the proxy that its clients pass."""

    number: int
    broker: EmbeddedBroker
    proxy: FaultProxy
    up: bool = False

    def start(self) -> None:
        """Return when it serves; it needs another one beside it."""
        self.broker.start()
        self.up = True

    def kill(self) -> None:
        """End it as a crash would."""
        self.up = False
        self.broker.kill()

    def pause(self) -> None:
        """Freeze it: alive, but doing nothing."""
        os.kill(self.broker.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.broker.pid, signal.SIGCONT)


class KafkaCluster:
    """Three nodes, each broker and controller; a cluster while the block runs."""

    def __init__(self, directory: Path) -> None:
        ports = [own_port() for _ in range(4 * NODES)]
        # Brokers talk to each other past the proxies: these spoil what clients see.
        clients, proxies, between, controllers = (ports[n::4] for n in range(4))
        voters = ",".join(f"{n + 1}@{HOST}:{port}" for n, port in enumerate(controllers))
        cluster_id = new_cluster_id()
        self.nodes = []
        for n in range(NODES):
            properties = _SHARED | {
                "node.id": str(n + 1),
                "controller.quorum.voters": voters,
                "listeners": (
                    f"PLAINTEXT://{HOST}:{clients[n]},BETWEEN://{HOST}:{between[n]},"
                    f"CONTROLLER://{HOST}:{controllers[n]}"
                ),
                "advertised.listeners": (
                    f"PLAINTEXT://{HOST}:{proxies[n]},BETWEEN://{HOST}:{between[n]}"
                ),
            }
            broker = EmbeddedBroker(
                directory / f"node-{n + 1}",
                clients[n],
                serve_within_s=SERVE_WITHIN_S,
                properties=properties,
                cluster_id=cluster_id,
            )
            self.nodes.append(Node(n + 1, broker, FaultProxy(proxies[n], clients[n], seed=n)))

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(f"{HOST}:{node.proxy.port}" for node in self.nodes)

    @property
    def proxies(self) -> list[FaultProxy]:
        return [node.proxy for node in self.nodes]

    def leader_of(self, topic: str, partition: int) -> Node:
        """Return the node that leads a partition, once there is one."""

        def ask(admin: AdminClient) -> int:
            described = admin.describe_topics(TopicCollection([topic]))[topic].result(ASK_S)
            return int(described.partitions[partition].leader.id)

        return self._node(ask)

    def _node(self, ask: Callable[[AdminClient], int]) -> Node:
        def found() -> Node | None:
            # A client that was told of a dead coordinator waits for it: each try has its own.
            with suppress(KafkaException, TimeoutError):
                return self.nodes[ask(self.admin()) - 1]
            return None

        node = eventually(found, within_s=WHOLE_WITHIN_S, every_s=0.25)
        assert node is not None
        return node

    def wait_until_whole(self) -> None:
        """Return when every replica of every partition is in sync, so that one may go."""
        eventually(self._whole, within_s=WHOLE_WITHIN_S, every_s=0.25)

    def _whole(self) -> bool:
        try:
            topics = self.admin().list_topics(timeout=ASK_S).topics.values()
        except KafkaException:
            return False
        parts = [p for topic in topics for p in topic.partitions.values()]
        return all(len(part.isrs) == len(part.replicas) for part in parts)

    def admin(self) -> AdminClient:
        """Return an administration client."""
        return AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})

    def __enter__(self) -> Self:
        for node in self.nodes:
            node.proxy.start()
        try:
            with ThreadPoolExecutor(NODES) as pool:
                for started in [pool.submit(node.start) for node in self.nodes]:
                    started.result()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # A controller without a majority does not stop in good order.
        for node in self.nodes:
            node.kill()
            node.proxy.stop()
