"""The records of ``mailing.state``: their keys and their values.

Keys are readable bytes: ``b:<rid>`` the batch of recipients that begins with this one,
``m:<orgid>:<mid>`` a mailing, ``p:<orgid>:<mid>:<invocation>:<base offset>`` a batch of pending
messages, ``x:<offset>`` a dead-lettered event, ``k:<log key>`` a call with an idempotency key,
``o:<base offset>`` a batch of what entries of such calls were answered, ``c:<base offset>`` a batch
of messages that count towards caps, ``meta`` how far the state goes; ``r:<log key>`` a recipient
that was written again, whose batch came before, or its deletion; ``e:<digest>`` what is left of
somebody who was erased, ``e:key`` what keys the digests. Values are always in single-object
framing: nobody else reads this topic, and a restore must not depend on a registry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.codec import Codec
from schemas.records import (
    MAILING_STATE,
    PARTITION_META,
    POISON_STATE,
    RECIPIENT_STATE,
    DedupPolicy,
)
from streams.core.dedup import dedup_key
from streams.core.messages import context_of, encode_batch
from streams.core.partition import FOLD_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.core.effects import Effects
    from streams.core.partition import Mailing, PartitionState
    from streams.core.queues import Message

META_KEY = b"meta"
_CODEC = Codec()
RECIPIENT_FRAME = _CODEC.framing.prefixes[RECIPIENT_STATE]


def pending_state_key(orgid: int, mid: int, invocation: int, base_offset: int) -> bytes:
    """Return the changelog key of a batch of pending messages."""
    return b"p:%d:%d:%d:%d" % (orgid, mid, invocation, base_offset)


def poison_state(offset: int, reason: str, detail: str) -> tuple[bytes, bytes]:
    """Return the record that keeps a replay from judging a dead-lettered event anew."""
    value = _CODEC.encode(POISON_STATE, {"reason": reason, "detail": detail})
    return b"x:%d" % offset, value


def seal(state: PartitionState, effects: Effects) -> None:
    """End a transaction's records: recipients, messages, mailings, then how far the state goes."""
    effects.state += effects.erased.records(effects.recipients.records())
    effects.state += [(b"r:" + key, value) for key, value in effects.changed.items()]
    journal = state.journals[-1]
    for batches in (journal.added, journal.rewritten):
        for (queue_id, base_offset), batch in batches.items():
            effects.state.append((pending_state_key(*queue_id, base_offset), encode_batch(batch)))
    for orgid, mid in state.journals[-1].mailings:
        record = state.mailings[orgid, mid].record()
        key = b"m:%d:%d" % (orgid, mid)
        effects.state.append((key, _CODEC.encode(MAILING_STATE, record)))
    effects.state += state.calls.records()
    effects.state += state.stubs.records()
    state.caps.forget(state.applied_at)
    effects.state += state.caps.records()
    state.seq += 1
    meta = {
        "seq": state.seq,
        "applied": state.applied,
        "topic_id": state.topic_id,
        "partitions": state.partitions,
        "fold_version": FOLD_VERSION,
        "applied_at": state.applied_at,
    }
    effects.state.append((META_KEY, _CODEC.encode(PARTITION_META, meta)))


def dedup_keys(mailing: Mailing, messages: Iterable[Message]) -> set[object]:
    """Return the dedup keys of pending messages under their mailing's policy."""
    if mailing.dedup is DedupPolicy.NONE:
        return set()
    policy = mailing.dedup
    return {dedup_key(policy, rid, context_of(event)) for _, rid, _, event in messages}
