"""The whole system, once for all tests that ask for it, and a bridge alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import bridge as bridges
from tests.support import stack as stacks
from tests.support.topics import remove_topics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.bridge import Bridge
    from tests.support.brokers import Broker
    from tests.support.stack import Stack


@pytest.fixture(scope="session")
def stack(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Broker, worker and bridge; each test defines a mailing of its own."""
    folder = tmp_path_factory.mktemp("stack")
    with stacks.running(kafka.bootstrap_servers, folder, ack_timeout_s=30) as started:
        yield started
    remove_topics(kafka.bootstrap_servers, started.cluster.prefix)


@pytest.fixture(scope="module")
def shared() -> Iterator[Bridge]:
    """A bridge before a stand-in for the log, once a module."""
    with bridges.running() as started:
        yield started


@pytest.fixture
def bridge(shared: Bridge) -> Bridge:
    """The module's bridge, which remembers nothing of the test before."""
    shared.client.forget()
    return shared
