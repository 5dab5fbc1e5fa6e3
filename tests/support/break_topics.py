"""Doing to topics and groups what an operator should not, or retention does by itself."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    OffsetSpec,
    ResourceType,
)

from streams.worker.admin import create_topics
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka.admin import AdminClient

    from tests.support.worker import Cluster

# An administration client that nobody holds ends, and its requests with it.
WITHIN_S = 30.0
TO_END = -1


def recreate(cluster: Cluster, name: str) -> None:
    """Delete a topic and make it again as the product does."""
    admin, topic = cluster.admin(), cluster.topic(name)
    for deleted in admin.delete_topics([topic]).values():
        deleted.result(WITHIN_S)
    eventually(lambda: topic not in admin.list_topics(timeout=WITHIN_S).topics)
    eventually(
        lambda: (
            topic in create_topics(cluster.bootstrap_servers, prefix=cluster.prefix, partitions=4)
        )
    )


def add_partitions(cluster: Cluster, name: str, total: int) -> None:
    """Let a topic have *total* partitions."""
    admin = cluster.admin()
    added = admin.create_partitions([NewPartitions(cluster.topic(name), total)])
    for future in added.values():
        future.result(WITHIN_S)


def truncate(cluster: Cluster, name: str, *, before: int = TO_END) -> dict[int, int]:
    """Delete a topic's records *before* an offset, or all; return where each partition starts."""
    places = [TopicPartition(cluster.topic(name), p, before) for p in range(4)]
    admin = cluster.admin()
    with _deletable(admin, cluster.topic(name)):
        for deleted in admin.delete_records(places).values():
            deleted.result(WITHIN_S)
    return starts(cluster, name)


@contextmanager
def _deletable(admin: AdminClient, topic: str) -> Iterator[None]:
    """Have a topic whose records may be deleted, which a compacted one refuses."""
    about = ConfigResource(ResourceType.TOPIC, topic)
    policy = admin.describe_configs([about])[about].result(WITHIN_S)["cleanup.policy"].value
    if policy == "compact":
        _set_policy(admin, topic, "compact,delete")
    yield
    _set_policy(admin, topic, policy)


def _set_policy(admin: AdminClient, topic: str, policy: str) -> None:
    entry = ConfigEntry("cleanup.policy", policy, incremental_operation=AlterConfigOpType.SET)
    change = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin.incremental_alter_configs([change])[change].result(WITHIN_S)


def starts(cluster: Cluster, name: str) -> dict[int, int]:
    """Return the first offset of each partition."""
    asked = {TopicPartition(cluster.topic(name), p): OffsetSpec.earliest() for p in range(4)}
    admin = cluster.admin()
    found = admin.list_offsets(asked)
    return {place.partition: future.result(WITHIN_S).offset for place, future in found.items()}


def offsets(cluster: Cluster) -> dict[int, int]:
    """Return the offsets of the worker group."""
    asked = [ConsumerGroupTopicPartitions(cluster.group)]
    admin = cluster.admin()
    (group,) = admin.list_consumer_group_offsets(asked).values()
    return {place.partition: place.offset for place in group.result(WITHIN_S).topic_partitions}


def set_offset(cluster: Cluster, partition: int, offset: int) -> None:
    """Move the group, as `kafka-consumer-groups --reset-offsets` does."""
    _without_members(cluster)
    place = TopicPartition(cluster.topic("mailing.recipients"), partition, offset)
    request = [ConsumerGroupTopicPartitions(cluster.group, [place])]
    admin = cluster.admin()
    (altered,) = admin.alter_consumer_group_offsets(request).values()
    assert [p.error for p in altered.result(WITHIN_S).topic_partitions if p.error] == []


def delete_group(cluster: Cluster) -> None:
    """Delete the worker group with its offsets."""
    _without_members(cluster)
    admin = cluster.admin()
    (deleted,) = admin.delete_consumer_groups([cluster.group]).values()
    deleted.result(WITHIN_S)


def _without_members(cluster: Cluster) -> None:
    # A worker that refused has not left its group; nobody's offsets can be changed before.
    eventually(lambda: not cluster.members())
