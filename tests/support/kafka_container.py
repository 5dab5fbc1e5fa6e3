"""`apache/kafka` in a container; testcontainers' own class speaks to another vendor's image."""

from __future__ import annotations

from testcontainers.core.container import DockerContainer

from streams.embedded.config import server_properties
from streams.embedded.errors import BrokerError
from streams.embedded.readiness import wait_until_serving
from tests.support.environment import KAFKA_IMAGE
from tests.support.ports import own_port

SERVES_WITHIN_S = 90.0
CONTROLLER_PORT = 9094


class ApacheKafkaContainer(DockerContainer):
    """One Kafka node, broker and controller at once, with the embedded broker's settings."""

    def __init__(self, image: str = KAFKA_IMAGE) -> None:
        super().__init__(image)
        self.host = self.get_docker_client().host()
        # The same number inside and outside: the broker must advertise the outer one, and it is
        # told before the engine could say which port it has mapped.
        self.port = own_port()
        self.bootstrap_servers = f"{self.host}:{self.port}"
        self.with_bind_ports(self.port, self.port)
        text = server_properties(port=self.port, controller_port=CONTROLLER_PORT, more={})
        lines = (line for line in text.splitlines() if line and not line.startswith("#"))
        settings = dict(line.split("=", 1) for line in lines)
        settings["log.dirs"] = "/var/lib/kafka/data"
        settings["listeners"] = f"PLAINTEXT://:{self.port},CONTROLLER://:{CONTROLLER_PORT}"
        settings["advertised.listeners"] = f"PLAINTEXT://{self.bootstrap_servers}"
        for name, value in settings.items():
            self.with_env("KAFKA_" + name.replace(".", "_").upper(), value)

    def wait_until_serving(self) -> None:
        """Return when clients are served, transactions included; raise with the log's end."""
        wait_until_serving(
            self.host, self.port, within_s=SERVES_WITHIN_S, check_alive=self._check_alive
        )

    def _check_alive(self) -> None:
        running = self.get_wrapped_container()
        running.reload()
        if running.status != "running":
            log = running.logs(tail=20).decode(errors="replace")
            raise BrokerError(f"the container is {running.status}:\n{log}")
