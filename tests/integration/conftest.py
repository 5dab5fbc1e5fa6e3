"""Topics once a module, for tests in which a stand-in plays the workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.worker.admin import create_topics
from tests.support.topics import PARTITIONS, fresh_prefix, remove_topics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.brokers import Broker


@pytest.fixture(scope="module")
def used_topics(kafka: Broker) -> Iterator[str]:
    """The prefix of topics in which earlier tests of the module have left records."""
    prefix = fresh_prefix()
    create_topics(kafka.bootstrap_servers, prefix=prefix, partitions=PARTITIONS)
    yield prefix
    remove_topics(kafka.bootstrap_servers, prefix)
