"""An embedded broker whose clients pass a proxy, and an address that goes past it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.embedded.broker import EmbeddedBroker
from streams.embedded.config import HOST
from tests.support.brokers import SERVE_WITHIN_S
from tests.support.faultproxy import FaultProxy
from tests.support.ports import own_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Proxied:
    """A broker that serves; whoever uses *direct* sees it as it is, whatever the proxy does."""

    broker: EmbeddedBroker
    proxy: FaultProxy
    bootstrap_servers: str
    direct: str


@contextmanager
def proxied(
    directory: Path,
    proxy_between: Callable[[int, int], AbstractContextManager[FaultProxy]] = FaultProxy,
) -> Iterator[Proxied]:
    """Run a broker behind a proxy until the block ends."""
    listens, advertises = own_port(), own_port()
    direct, controller = own_port(), own_port()
    properties = {
        "listeners": (
            f"PLAINTEXT://{HOST}:{listens},DIRECT://{HOST}:{direct},CONTROLLER://{HOST}:{controller}"
        ),
        "advertised.listeners": f"PLAINTEXT://{HOST}:{advertises},DIRECT://{HOST}:{direct}",
        "listener.security.protocol.map": (
            "PLAINTEXT:PLAINTEXT,DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT"
        ),
        "inter.broker.listener.name": "DIRECT",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
    }
    with (
        proxy_between(advertises, listens) as proxy,
        EmbeddedBroker(
            directory, listens, serve_within_s=SERVE_WITHIN_S, properties=properties
        ) as broker,
    ):
        yield Proxied(broker, proxy, f"{HOST}:{advertises}", f"{HOST}:{direct}")
