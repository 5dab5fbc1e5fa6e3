"""What a run left in the topics, read to the end by a plain consumer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from tests.history.decoded import (
    Raw,
    changes_of,
    controls_of,
    events_of,
    kept_of,
    metas_of,
    sent_of,
    told_of,
)
from tests.support.topics import PARTITIONS
from tests.support.wait import eventually

if TYPE_CHECKING:
    from tests.history.decoded import Change, Control, Event, Kept, Sent, Told
    from tests.support.worker import Cluster

REST_WITHIN_S = 60.0
_ANSWER_S = 5.0
_READ_S = 30.0
_AT_ONCE = 2_000


@dataclass(frozen=True)
class Topics:
    """The topics of *cluster*; each is read once, when it is asked for."""

    cluster: Cluster

    def read(self, name: str, *, committed: bool = True) -> list[Raw]:
        """Return every record of a topic of ours."""
        return read_all(self.cluster, self.cluster.topic(name), committed=committed)

    @cached_property
    def log(self) -> list[Raw]:
        """The log."""
        return self.read("mailing.recipients")

    @cached_property
    def events(self) -> list[Event]:
        """The recipient events of the log, partition by partition."""
        return events_of(self.log)

    @cached_property
    def changes(self) -> list[Change]:
        """The changes of recipients in the log."""
        return changes_of(self.log)

    @cached_property
    def controls(self) -> list[Control]:
        """What happens to mailings in the log: by request, timer and copy."""
        return controls_of(self.log)

    @cached_property
    def told(self) -> list[Told]:
        """What callers were told about entries, repeats included."""
        return told_of(self.read("mailing.acks"))

    @cached_property
    def sends(self) -> list[Sent]:
        """Every message that was sent, by each of its channels."""
        return sent_of(self.read("mailing.sends"))

    @cached_property
    def state(self) -> list[Raw]:
        """The changelog."""
        return self.read("mailing.state")

    @cached_property
    def mailings(self) -> list[Kept]:
        """Every mailing of every transaction in the changelog."""
        return kept_of(self.state)

    @cached_property
    def metas(self) -> list[tuple[int, int, int]]:
        """The (partition, seq, applied) of every transaction in the changelog, in its order."""
        return metas_of(self.state)


def at_rest(cluster: Cluster) -> None:
    """Return when the log is read to its end and no transaction is open; AssertionError if not."""
    eventually(lambda: is_at_rest(cluster), within_s=REST_WITHIN_S, every_s=0.2)


def consumer_of(cluster: Cluster, *, committed: bool) -> Consumer:
    """Return a consumer that joins no group and knows the offsets of the workers' own."""
    return Consumer(
        {
            "bootstrap.servers": cluster.bootstrap_servers,
            "group.id": cluster.group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            # Also whether to wait for offsets of transactions that are open.
            "isolation.level": "read_committed" if committed else "read_uncommitted",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
            "reconnect.backoff.max.ms": 1000,
            "log_level": 0,
        }
    )


def read_all(cluster: Cluster, topic: str, *, committed: bool = True) -> list[Raw]:
    """Return every record of *topic*, those of aborted transactions too unless *committed*."""
    consumer = consumer_of(cluster, committed=committed)
    try:
        unread = set(consumer.list_topics(topic, _READ_S).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, partition, 0) for partition in unread])
        records: dict[int, list[Raw]] = {partition: [] for partition in sorted(unread)}
        while unread:
            first = consumer.poll(_READ_S)
            assert first is not None, f"{topic} could not be read to its end"
            for message in (first, *consumer.consume(_AT_ONCE, 0)):
                error, partition = message.error(), message.partition() or 0
                if error is None:
                    record = (message.offset() or 0, message.key(), message.value())
                    records[partition].append(Raw(partition, *record))
                elif error.code() == KafkaError._PARTITION_EOF:
                    unread.discard(partition)
        return [record for each in records.values() for record in each]
    finally:
        consumer.close()


def is_at_rest(cluster: Cluster) -> bool:
    """Whether the group has committed the log to its end; False when the broker is away, too."""
    consumer = consumer_of(cluster, committed=True)
    log = cluster.topic("mailing.recipients")
    places = [TopicPartition(log, partition) for partition in range(PARTITIONS)]
    try:
        committed = consumer.committed(places, _ANSWER_S)
        ends = [consumer.get_watermark_offsets(place, _ANSWER_S)[1] for place in places]
    except KafkaException:
        return False
    finally:
        consumer.close()
    return all(place.offset == end or not end for place, end in zip(committed, ends, strict=True))


def committed_of(cluster: Cluster) -> dict[int, int]:
    """Return the group's offset in each partition of the log."""
    consumer = consumer_of(cluster, committed=True)
    log = cluster.topic("mailing.recipients")
    places = [TopicPartition(log, partition) for partition in range(PARTITIONS)]
    try:
        return {each.partition: each.offset for each in consumer.committed(places, _ANSWER_S)}
    finally:
        consumer.close()


def ends_of(cluster: Cluster, name: str) -> list[int]:
    """Return where each partition of a topic of ours ends; nothing when the broker cannot say."""
    topic = cluster.topic(name)
    consumer = consumer_of(cluster, committed=False)
    try:
        partitions = sorted(consumer.list_topics(topic, _ANSWER_S).topics[topic].partitions)
        places = [TopicPartition(topic, partition) for partition in partitions]
        return [consumer.get_watermark_offsets(place, _ANSWER_S)[1] for place in places]
    except KafkaException:
        return []
    finally:
        consumer.close()
