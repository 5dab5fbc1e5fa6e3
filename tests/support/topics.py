"""Topics of one test: a prefix nobody else has, and their removal."""

from __future__ import annotations

import uuid

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

PARTITIONS = 4
ADMIN_WITHIN_S = 30.0


def fresh_prefix() -> str:
    """Return a topic prefix that no other test has."""
    return f"t{uuid.uuid4().hex[:12]}."


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
