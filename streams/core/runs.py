"""Runs of ordinary triggers, folded in one loop: the fast twin of reading and applying each.

A run takes what nearly every trigger is: of one mailing that takes triggers and has no cap, for a
subscriber, an address that is its own identity, every text below 64 bytes. It stops in front of
anything else, without a trace of it, and the plain fold goes on from there.
`tests/property/test_fold_properties.py` holds the two together; ``python -m bench.fold`` says what
the loop gives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from librt.strings import BytesWriter

from schemas.contexts import LITERAL_BYTES
from schemas.framing import SINGLE_OBJECT_BYTES, Framing
from schemas.ids import rid_key, rid_of
from schemas.partition import partition_for
from schemas.records import (
    API_TRIGGERED,
    RECIPIENT_TRIGGERED,
    DedupPolicy,
    Outcome,
    Status,
    UnknownRecipients,
)
from schemas.topics import ACK_PARTITIONS
from schemas.varint import decode_long, encode_long, write_size
from streams.core.changelog import RECIPIENT_FRAME
from streams.core.dedup import dedup_key
from streams.core.errors import StateError
from streams.core.heads import is_plain, profile_ends
from streams.core.phases import TAKES_TRIGGERS
from streams.core.queues import BATCH_BYTES
from streams.core.recipients import dates_of

if TYPE_CHECKING:
    from mypy_extensions import i64

    from streams.core.effects import Effects
    from streams.core.partition import Mailing, PartitionState
    from streams.core.transition import LogRecord

_CREATED: Final = encode_long(Outcome.CREATED)
_KNOWN: Final = encode_long(Outcome.KNOWN)
_DUPLICATE: Final = encode_long(Outcome.DUPLICATE)
_UNSUBSCRIBED: Final = encode_long(Status.UNSUBSCRIBED)[0]
_UNUSUAL: Final = -2
# Numbers of one byte as Avro writes them: the reply partition, the status of a call, and the status
# of a subscriber as the reader of a changelog finds it behind the rid.
_REPLIES: Final = [
    number if -1 <= number < ACK_PARTITIONS else _UNUSUAL
    for number in ((byte >> 1) ^ -(byte & 1) for byte in range(256))
]
_STATUSES: Final = {encode_long(status)[0] for status in Status}
_KEPT_STATUSES: Final = [
    {
        encode_long(Status.NOT_GIVEN): encode_long(Status.SUBSCRIBED),
        encode_long(Status.SUBSCRIBED): encode_long(Status.SUBSCRIBED),
        encode_long(Status.EXTERNAL): encode_long(Status.EXTERNAL),
    }.get(bytes((byte,)), b"")
    for byte in range(256)
]
_EVENT_FRAME: Final = Framing().prefixes[RECIPIENT_TRIGGERED]


def fold_run(
    state: PartitionState, frame: i64, records: list[LogRecord], start: i64, effects: Effects
) -> i64:
    """Fold *records* from *start* as far as they are ordinary; return where that ends.

    *frame* is the length of the framing of the first one, which is a trigger.
    """
    index: i64 = start
    try:
        mailing, head = _whose(state, frame, records[start][2])
    except (IndexError, ValueError):
        return start
    if mailing is None:
        return start
    # What the loop asks for a million times is looked up once.
    get, put, key_of = state.recipients.get, state.recipients.put, state.recipients.key_of
    acks, new = effects.replies.acks, effects.recipients
    partition, partitions, orgid = state.partition, state.partitions, mailing.orgid
    at: i64 = len(head)
    own_keys, policy = b"%d:" % orgid, mailing.dedup
    by_context = policy is DedupPolicy.RECIPIENT_CONTEXT
    creates = mailing.unknown_recipients is UnknownRecipients.CREATE
    queue_id = mailing.queue_id
    queue = state.queues.get(queue_id)
    seen = queue.seen if queue is not None else set()
    stubs = state.stubs
    some_erased = bool(stubs.stubs)
    batch = None
    written = BytesWriter()
    created: i64 = 0
    known: i64 = 0
    duplicates: i64 = 0
    end: i64
    entry_at: i64
    stored_at: i64
    size: i64
    high: i64
    count: i64 = len(records)
    last = state.applied
    # Many records have one time: that of the request that brought them.
    dated = -1
    dates = b""
    # Everything is read and decided before the first write, so that leaving the loop, also by an
    # exception, leaves no trace of the record at hand.
    try:
        while index < count:
            offset, key, value, log_time_ms = records[index]
            if key is None or value is None or offset <= last or not value.startswith(head):
                break
            # The request's id, and the entry's place in its call.
            size = value[at]
            entry_at = at + 1 + (size >> 1)
            request = value[at:entry_at]
            end = entry_at
            if size & 0x81 or not request.isascii() or value[end] & 1:
                break
            if value[end] >= 0x80:
                end += 1
                if not 0 < value[end] < 0x80:
                    break
            end += 1
            entry = value[entry_at:end]
            # Whom to answer, and who it is about.
            reply = _REPLIES[value[end]]
            if reply == _UNUSUAL:
                break
            by_address = value[end + 1] == 0
            status = b""
            if by_address:
                status = _KEPT_STATUSES[value[end + 2]]
                if not status:
                    break
                end += 3
            else:
                rid, rid_end = decode_long(value, end + 1)
                rid_bytes = value[end + 1 : rid_end]
                owner = key_of(rid)
                if (
                    key != rid_key(orgid, rid)
                    or rid_bytes != encode_long(rid)
                    or value[rid_end] not in _STATUSES
                    or owner is None
                    or not owner.startswith(own_keys)
                ):
                    break
                key, end = owner, rid_end + 1
            # The context, of one or two bytes of length; the rest is stored as it is.
            size = value[end]
            if size >= 0x80:
                end += 1
                high = value[end]
                if not 0 < high < 0x80:
                    break
                size += (high - 1) << 7
            stored_at = end + 1 + (size >> 1)
            context, stored = value[end + 1 : stored_at], value[stored_at:]
            if size & 1 or not (stored.isascii() or stored.decode()):
                break
            size = stored[0]
            end = 1 + (size >> 1)
            if size & 0x81 or not profile_ends(stored, end):
                break
            if by_address:
                if not is_plain(stored, 1, end) or key != own_keys + stored[1:end]:
                    break
            elif size:
                break
            # Who it is.
            recipient = get(key)
            if recipient is None:
                if not creates or b"@" not in key or partition_for(key, partitions) != partition:
                    break
                # Who comes back has a rid already.
                if some_erased and stubs.find(key) is not None:
                    break
                rid = rid_of(offset, partition)
                written.truncate(0)
                write_size(written, rid)
                rid_bytes = written.getvalue()
            else:
                end = SINGLE_OBJECT_BYTES
                while recipient[end] & 0x80:
                    end += 1
                end += 1
                rid_bytes = recipient[SINGLE_OBJECT_BYTES:end]
                if recipient[end] == _UNSUBSCRIBED:
                    break
            if by_context and len(context) <= LITERAL_BYTES:
                same: object = rid_bytes + context
            else:
                same = dedup_key(policy, rid_bytes, context)
            # From here on it is written.
            last = offset
            # Nothing of somebody new can wait.
            if recipient is not None and same in seen:
                duplicates += 1
                outcome = _DUPLICATE
            else:
                if batch is None or batch.size >= BATCH_BYTES:
                    batch = state.open_batch(queue_id, offset)
                    seen = state.queues[queue_id].seen
                event = value if frame == SINGLE_OBJECT_BYTES else _EVENT_FRAME + value[frame:]
                batch.add(offset, rid_bytes, b"" if recipient is None else recipient, event)
                if same is not None:
                    seen.add(same)
                if recipient is None:
                    if log_time_ms != dated or not dates:
                        dated = log_time_ms
                        dates = dates_of(dated)
                    written.truncate(0)
                    written.write(RECIPIENT_FRAME)
                    written.write(rid_bytes)
                    written.write(status)
                    written.write(stored)
                    written.write(dates)
                    recipient = written.getvalue()
                    put(key, recipient, rid)
                    new.add(key, recipient, rid)
                    created += 1
                    outcome = _CREATED
                else:
                    known += 1
                    outcome = _KNOWN
            if reply >= 0:
                acks[reply].add(request, entry, rid_bytes, outcome)
            index += 1
    except (MemoryError, OSError, StateError):
        raise
    except Exception:  # noqa: BLE001, S110 - not ordinary: the plain fold says what it is
        pass
    finally:
        if index > start:
            state.touch(mailing)
            mailing.triggered += index - start
            mailing.created += created
            mailing.known += known
            mailing.duplicates += duplicates
            state.applied = last
    return index


def _whose(state: PartitionState, frame: int, value: bytes | None) -> tuple[Mailing | None, bytes]:
    """Return the mailing a trigger is for, if it is ordinary, and how the event begins."""
    assert value is not None  # noqa: S101 - the caller knows its framing
    orgid, at = decode_long(value, frame)
    mid, at = decode_long(value, at)
    mailing = state.mailings.get((orgid, mid))
    if (
        mailing is not None
        and mailing.type == API_TRIGGERED
        and mailing.state in TAKES_TRIGGERS
        and not mailing.hourly_cap
    ):
        return mailing, value[:at]
    return None, b""
