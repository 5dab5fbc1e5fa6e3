"""Topics of one test: a prefix nobody else has, and their removal."""

from __future__ import annotations

import uuid
from functools import partial

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from schemas.topics import TOPICS
from streams.worker.admin import AdminError, create_topics, topic_shapes
from tests.support.wait import eventually

PARTITIONS = 4
ADMIN_WITHIN_S = 30.0


def fresh_prefix() -> str:
    """Return a topic prefix that no other test has."""
    return f"t{uuid.uuid4().hex[:12]}."


def make_topics(bootstrap_servers: str, prefix: str, *, replication: int = 1) -> None:
    """Create all our topics by the product's own code; return when brokers know them."""
    create_topics(bootstrap_servers, prefix=prefix, partitions=PARTITIONS, replication=replication)
    until_known(bootstrap_servers, [prefix + topic.name for topic in TOPICS])


def until_known(bootstrap_servers: str, names: list[str]) -> None:
    """Return when each broker knows topics that were just created.

    A worker that is told that one is missing ends at once, and a client after two seconds.
    """
    for server in bootstrap_servers.split(","):
        eventually(partial(_known, server, names))


def _known(server: str, names: list[str]) -> bool:
    admin = AdminClient({"bootstrap.servers": server, "log_level": 0})
    try:
        return topic_shapes(admin, names).keys() == set(names)
    except AdminError:
        return False


def remove_topics(bootstrap_servers: str, prefix: str) -> None:
    """Delete every topic under *prefix*: thousands of partitions would slow one broker down."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    names = [
        name for name in admin.list_topics(timeout=ADMIN_WITHIN_S).topics if name.startswith(prefix)
    ]
    if not names:
        return
    for deleted in admin.delete_topics(names, operation_timeout=ADMIN_WITHIN_S).values():
        try:
            deleted.result(ADMIN_WITHIN_S)
        except KafkaException as exc:
            # A test has deleted it, and the broker's list was older.
            if exc.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
