"""Reading the changelog into a state: all of it, or what came after a database was kept."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    ConfigResource,
    OffsetSpec,
    ResourceType,
)

from streams.core.changelog import META_KEY
from streams.store.errors import StoreUnfit
from streams.worker.errors import TakeoverAbandoned, TakeoverRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import Consumer, Message
    from confluent_kafka.admin import AdminClient

    from streams.core.recipients import Mark
    from streams.core.restore import Restore
    from streams.worker.admin import TopicShape

_ASK_S = 10.0
_POLL_S = 0.1
# The changelog's last transaction is committed when its offset is; only its marker may be late.
_STATE_WITHIN_S = 60.0
_RECOVERY = (
    "Delete this topic and the consumer group, and run `mailing-trigger topics create`: the log is "
    "folded again from its first event, with the same IDs; see docs/operations.md"
)
# Batches are of 64 KiB: a few megabytes at a time.
_CHUNK = 64


def check_kept(
    admin: AdminClient, place: TopicPartition, restore: Restore, log_shape: TopicShape, wanted: int
) -> None:
    """Raise StoreUnfit unless the changelog at *place* can go on where the table was kept to.

    TakeoverRefused when nothing was kept and the changelog has lost its beginning.
    """
    mark = restore.state.recipients.kept_to
    start = admin.list_offsets({place: OffsetSpec.earliest()})[place].result(_ASK_S).offset  # type: ignore[no-untyped-call]
    if mark is None:
        if start:
            raise TakeoverRefused(
                f"{place.topic}[{place.partition}], the changelog, starts at {start}: records of "
                f"it were deleted, and who was in them would get other IDs. {_RECOVERY}"
            )
        return
    if restore.origin != (log_shape.topic_id, log_shape.partitions):
        raise StoreUnfit("it was made from another log")
    if start > mark.offset:
        raise StoreUnfit(f"the changelog starts at {start}, it ends at {mark.offset}")
    if restore.seq != wanted:
        _check_age(admin, place, mark)


def read_changelog(
    consumer: Consumer,
    place: TopicPartition,
    restore: Restore,
    wanted: int,
    still_ours: Callable[[], bool],
) -> int:
    """Take records up to the changelog's committed end, and until `seq` is at least *wanted*.

    Returns how many there were.
    """
    mark = restore.state.recipients.kept_to
    reached, count = (mark.offset if mark is not None else -1), 0
    # Where the changelog ended when all before it had been read; None while there is more.
    end: int | None = None
    consumer.assign([TopicPartition(place.topic, place.partition, max(reached, 0))])
    deadline = time.monotonic() + _STATE_WITHIN_S
    while end is None or restore.seq < wanted:
        if not still_ours():
            raise TakeoverAbandoned
        if time.monotonic() > deadline:
            _check_end(consumer, place, end)
            raise TakeoverRefused(
                f"partition {place.partition}: the offset belongs to state {wanted}, the "
                f"changelog ends at {restore.seq}: its tail is lost. {_RECOVERY}"
            )
        first = consumer.poll(_POLL_S)
        if first is None:
            continue
        messages = [first, *consumer.consume(_CHUNK, 0)]
        records = [(each.key(), each.value()) for each in messages if each.error() is None]
        end = _end_after(messages, end) if len(records) < len(messages) else None
        if records:
            deadline = time.monotonic() + _STATE_WITHIN_S
            if mark is not None and not count:
                _check_join(messages, mark, restore.meta)
            before = restore.meta
            restore.take(records)  # type: ignore[arg-type]
            if restore.meta is not before:
                last = next(each for each in reversed(messages) if each.key() == META_KEY)
                reached = last.offset() or 0
            count += len(records)
    if mark is not None and not count:
        raise StoreUnfit("the changelog ends before it")
    restore.finish(reached)
    return count


def _check_join(messages: list[Message], mark: Mark, meta: bytes | None) -> None:
    """Raise StoreUnfit unless the changelog's first record from the mark on is what it was.

    The mark's own record, or a later one when compaction has taken it away.
    """
    first = next(message for message in messages if message.error() is None)
    offset = first.offset()
    if offset is None or offset < mark.offset:
        raise StoreUnfit("the changelog ends before it")
    if offset == mark.offset and (first.key() != META_KEY or first.value() != meta):
        raise StoreUnfit("the changelog has another history")


def _check_age(admin: AdminClient, place: TopicPartition, mark: Mark) -> None:
    """Raise StoreUnfit when the changelog may have dropped deletions since the mark was written.

    Half of the time for which it keeps them is ours to notice and to read.
    """
    resource = ConfigResource(ResourceType.TOPIC, place.topic)
    config = admin.describe_configs([resource])[resource].result(_ASK_S)
    kept_s = int(config["delete.retention.ms"].value) / 1000
    age_s = time.time() - mark.written_at
    if abs(age_s) > kept_s / 2:
        raise StoreUnfit(
            f"it is {age_s / 86_400:.1f} days behind, and deletions are kept for "
            f"{kept_s / 86_400:.1f} days"
        )


def _check_end(consumer: Consumer, place: TopicPartition, end: int | None) -> None:
    """Raise KafkaException unless the changelog ends at *end*, as far as it was read, even now.

    Without an answer, or when the consumer does not hear of what is there, nothing is known of
    the tail, and only another try can tell; to say that it is lost makes somebody delete it.
    """
    if end is None or consumer.get_watermark_offsets(place, timeout=_ASK_S, cached=False)[1] != end:
        raise KafkaException(
            KafkaError(
                KafkaError._TIMED_OUT,  # noqa: SLF001 - its public name
                f"{place.topic}[{place.partition}], the changelog, was not read to its end: "
                f"nothing came for {_STATE_WITHIN_S:.0f} s",
            )
        )


def _end_after(messages: list[Message], end: int | None) -> int | None:
    """Return the partition's end if it is reached with the last of *messages*; it was *end*.

    An end with records behind it is where the end was: the records may stop within a transaction.
    """
    for message in messages:
        error = message.error()
        if error is None:
            end = None
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
            end = message.offset()
        elif error.fatal() or not error.retriable():
            raise KafkaException(error)
    return end
