"""Removing the topics of a run: a broker with many of them is another broker."""

from __future__ import annotations

from confluent_kafka.admin import AdminClient

_WITHIN_S = 30.0


def remove_topics(bootstrap_servers: str, prefix: str) -> None:
    """Delete every topic with *prefix* in its name, Faust's changelogs included."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    names = [name for name in admin.list_topics(timeout=_WITHIN_S).topics if prefix in name]
    for deleted in admin.delete_topics(names, operation_timeout=_WITHIN_S).values():
        deleted.result(_WITHIN_S)
