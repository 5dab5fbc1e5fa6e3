"""Runs of ordinary triggers, folded in one loop: the fast twin of reading and applying each.

A run takes what nearly every trigger is: of one mailing that takes triggers, for a subscriber, an
address that is its own identity, every text below 64 bytes. It stops in front of anything else,
without a trace of it, and the plain fold goes on from there.
`tests/property/test_fast_paths.py` holds the two together; ``python -m bench.fold`` says what
the loop gives.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from schemas.framing import SINGLE_OBJECT_BYTES, Framing
from schemas.ids import rid_key, rid_of
from schemas.partition import partition_for
from schemas.records import (
    API_TRIGGERED,
    RECIPIENT_TRIGGERED,
    DedupPolicy,
    MailingPhase,
    Outcome,
    Status,
)
from schemas.topics import ACK_PARTITIONS
from schemas.varint import decode_long, encode_long
from streams.core.changelog import RECIPIENT_FRAME
from streams.core.dedup import LITERAL_BYTES, dedup_key
from streams.core.errors import StateError
from streams.core.heads import ends_after_map
from streams.core.queues import BATCH_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.core.effects import Effects
    from streams.core.partition import Mailing, PartitionState
    from streams.core.transition import LogRecord

_TAKES_TRIGGERS = frozenset({MailingPhase.ACTIVE, MailingPhase.SUSPENDED})
_CREATED, _KNOWN, _DUPLICATE = map(encode_long, (Outcome.CREATED, Outcome.KNOWN, Outcome.DUPLICATE))
# What the reader of a changelog finds behind the rid of a subscriber, by the status of the call.
_STATUSES = {
    Status.NOT_GIVEN: encode_long(Status.SUBSCRIBED),
    Status.SUBSCRIBED: encode_long(Status.SUBSCRIBED),
    Status.EXTERNAL: encode_long(Status.EXTERNAL),
}
_REPLIES = {encode_long(number): number for number in range(-1, ACK_PARTITIONS)}
# Reply partition, no rid, status: as bytes, and what they mean.
_BY_ADDRESS = {
    reply + b"\x00" + encode_long(status): (number, written)
    for reply, number in _REPLIES.items()
    for status, written in _STATUSES.items()
}
_UNSUBSCRIBED = encode_long(Status.UNSUBSCRIBED)[0]
_ANY_STATUS = frozenset(encode_long(status)[0] for status in Status)
_EVENT_FRAME = Framing().prefixes[RECIPIENT_TRIGGERED]


def _texts(pattern: bytes) -> bytes:
    """Return a pattern of a text as Avro writes it, of at most 63 bytes, each length apart."""
    lengths = (re.escape(bytes((2 * n,))) + pattern % n for n in range(1, 64))
    return b"(?:%b)" % b"|".join(lengths)


_OPTIONAL_TEXT = rb"(?:\x00|\x02(?:\x00|%b))" % _texts(b".{%d}")
# The profile up to its map: 13 texts, contentType, smsContact, smsSubscribed.
_PROFILE = _OPTIONAL_TEXT * 13 + rb"(?:\x00|\x02[\x00-\x7f])%b(?:\x00|\x02[\x00\x01])" % (
    _OPTIONAL_TEXT
)
# Printable ASCII without capitals, no dot at the end: equal to its own identity.
_ADDRESS = _texts(rb"[!-@\[-~]{%d}(?<!\.)")
_match_stored = re.compile(_ADDRESS + _PROFILE, re.DOTALL).match
_match_rid_only = re.compile(rb"\x00" + _PROFILE, re.DOTALL).match


def fold_run(
    state: PartitionState, frame: int, records: Sequence[LogRecord], start: int, effects: Effects
) -> int:
    """Fold *records* from *start* as far as they are ordinary; return where that ends.

    *frame* is the length of the framing of the first one, which is a trigger.
    """
    index = start
    try:
        mailing, head = _whose(state, frame, records[start][2])
    except (IndexError, ValueError):
        return start
    if mailing is None:
        return start
    # What the loop asks for a million times is looked up once.
    get, put, key_of = state.recipients.get, state.recipients.put, state.recipients.key_of
    acks, add_recipient = effects.replies.acks, effects.recipients.append
    partition, partitions, orgid = state.partition, state.partitions, mailing.orgid
    at, own_keys, policy = len(head), b"%d:" % orgid, mailing.dedup
    by_context = policy is DedupPolicy.RECIPIENT_CONTEXT
    queue_id = mailing.queue_id
    queue = state.queues.get(queue_id)
    seen = queue.seen if queue is not None else set()
    batch = None
    created = known = duplicates = 0
    last = state.applied
    # Everything is read and decided before the first write, so that leaving the loop, also by an
    # exception, leaves no trace of the record at hand.
    try:
        for index in range(start, len(records)):
            offset, key, value, _ = records[index]
            if key is None or value is None or offset <= last or not value.startswith(head):
                break
            # The request's id, and the entry's place in its call.
            end = at + 1 + (value[at] >> 1)
            request, entry_at = value[at:end], end
            if value[at] & 0x81 or not request.isascii() or value[end] & 1:
                break
            if value[end] >= 0x80:
                end += 1
                if not 0 < value[end] < 0x80:
                    break
            end += 1
            entry = value[entry_at:end]
            # Whom to answer, and who it is about.
            ordinary = _BY_ADDRESS.get(value[end : end + 3])
            if ordinary is not None:
                reply, status = ordinary
                end += 3
            else:
                reply = _REPLIES[value[end : end + 1]]
                rid, rid_end = decode_long(value, end + 1)
                rid_bytes = value[end + 1 : rid_end]
                owner = key_of(rid)
                if (
                    key != rid_key(orgid, rid)
                    or rid_bytes != encode_long(rid)
                    or value[rid_end] not in _ANY_STATUS
                    or owner is None
                    or not owner.startswith(own_keys)
                ):
                    break
                key, end = owner, rid_end + 1
            # The context, of one or two bytes of length; the rest is stored as it is.
            size = value[end]
            if size >= 0x80:
                end += 1
                if not 0 < value[end] < 0x80:
                    break
                size += (value[end] - 1) << 7
            stored_at = end + 1 + (size >> 1)
            context, stored = value[end + 1 : stored_at], value[stored_at:]
            if size & 1 or not (stored.isascii() or stored.decode()):
                break
            match = _match_stored(stored) if ordinary is not None else _match_rid_only(stored)
            if match is None:
                break
            map_at = match.end()
            if stored[map_at:] != b"\x00" and not ends_after_map(stored, map_at):
                break
            if ordinary is not None and key != own_keys + stored[1 : 1 + (stored[0] >> 1)]:
                break
            # Who it is.
            recipient = get(key)
            if recipient is None:
                if b"@" not in key or partition_for(key, partitions) != partition:
                    break
                rid = rid_of(offset, partition)
                rid_bytes = encode_long(rid)
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
            if same in seen:
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
                    recipient = b"".join((RECIPIENT_FRAME, rid_bytes, status, stored))
                    put(key, recipient, rid)
                    add_recipient((key, recipient))
                    created += 1
                    outcome = _CREATED
                else:
                    known += 1
                    outcome = _KNOWN
            if reply >= 0:
                acks[reply].add(request, entry + rid_bytes + outcome)
        else:
            index = len(records)
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
    """Return the mailing a trigger is for, if it takes any, and how the event begins."""
    assert value is not None  # noqa: S101 - the caller knows its framing
    orgid, at = decode_long(value, frame)
    mid, at = decode_long(value, at)
    mailing = state.mailings.get((orgid, mid))
    if mailing is not None and mailing.type == API_TRIGGERED and mailing.state in _TAKES_TRIGGERS:
        return mailing, value[:at]
    return None, b""
