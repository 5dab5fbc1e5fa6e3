"""Topics once a module, for tests in which a stand-in plays the workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.topics import fresh_prefix, make_topics, remove_topics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.brokers import Broker


@pytest.fixture(scope="module")
def used_topics(kafka: Broker) -> Iterator[str]:
    """The prefix of topics in which earlier tests of the module have left records."""
    prefix = fresh_prefix()
    make_topics(kafka.bootstrap_servers, prefix)
    yield prefix
    remove_topics(kafka.bootstrap_servers, prefix)
