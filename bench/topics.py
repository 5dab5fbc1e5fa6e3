"""The topics of a run: made afresh for each, since a broker with many of them is another broker."""

from __future__ import annotations

import time
from functools import cache

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from schemas.topics import DEFAULT_PARTITIONS, TOPICS

_WITHIN_S = 30.0
_AGAIN_S = 0.1


@cache
def admin(bootstrap_servers: str) -> AdminClient:
    """Return one for all."""
    return AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})


def make_topics(bootstrap_servers: str, prefix: str, *, but: str = "") -> None:
    """Create our topics under *prefix*, all but *but*."""
    wanted = [
        NewTopic(
            prefix + topic.name,
            num_partitions=topic.partitions or DEFAULT_PARTITIONS,
            replication_factor=1,
            config=dict(topic.config),
        )
        for topic in TOPICS
        if prefix + topic.name != but
    ]
    made = admin(bootstrap_servers).create_topics(wanted, operation_timeout=_WITHIN_S)
    for future in made.values():
        future.result(_WITHIN_S)


def remove_topics(bootstrap_servers: str, prefix: str, *, but: str = "") -> None:
    """Delete every topic with *prefix* in its name, a peer's changelogs included; keep *but*."""
    client = admin(bootstrap_servers)

    def found() -> list[str]:
        topics = client.list_topics(timeout=_WITHIN_S).topics
        return [name for name in topics if prefix in name and name != but]

    deadline = time.monotonic() + _WITHIN_S
    # Asked again until they are gone: those of a moment ago have outlived a first request.
    while names := found():
        assert time.monotonic() < deadline, f"they cannot be deleted: {names}"
        for deleted in client.delete_topics(names, operation_timeout=_WITHIN_S).values():
            try:
                deleted.result(_WITHIN_S)
            except KafkaException as exc:
                if exc.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
        time.sleep(_AGAIN_S)
