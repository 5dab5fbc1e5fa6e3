"""The records of ``mailing.state``: their keys, their values, and how a state is rebuilt of them.

Keys are readable bytes: ``r:<log key>`` a recipient, ``m:<orgid>:<mid>`` a mailing,
``p:<orgid>:<mid>:<invocation>:<base offset>`` a batch of pending messages, ``x:<offset>`` a
dead-lettered event, ``meta`` how far the state goes. Values are always in single-object framing:
nobody else reads this topic, and a restore must not depend on a registry.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from schemas.codec import Codec
from schemas.errors import BadRecord
from schemas.framing import SINGLE_OBJECT_BYTES
from schemas.records import (
    MAILING_STATE,
    PARTITION_META,
    POISON_STATE,
    RECIPIENT_STATE,
    DedupPolicy,
    MailingPhase,
)
from streams.core.dedup import dedup_key
from streams.core.errors import NewerState
from streams.core.messages import batch_of, encode_batch, rid_and_context
from streams.core.partition import FOLD_VERSION, Cut, Mailing, PartitionState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.codec import Record
    from streams.core.effects import Effects

META_KEY = b"meta"
_CODEC = Codec()
RECIPIENT_FRAME = _CODEC.framing.prefixes[RECIPIENT_STATE]
_FRAMES = _CODEC.framing.prefixes
_CURRENT = frozenset(_FRAMES.values())


def recipient_state_key(key: bytes) -> bytes:
    """Return the changelog key of the recipient with this log key."""
    return b"r:" + key


def pending_state_key(orgid: int, mid: int, invocation: int, base_offset: int) -> bytes:
    """Return the changelog key of a batch of pending messages."""
    return b"p:%d:%d:%d:%d" % (orgid, mid, invocation, base_offset)


def poison_state(offset: int, reason: str, detail: str) -> tuple[bytes, bytes]:
    """Return the record that keeps a replay from judging a dead-lettered event anew."""
    value = _CODEC.encode(POISON_STATE, {"reason": reason, "detail": detail})
    return b"x:%d" % offset, value


def seal(state: PartitionState, effects: Effects) -> None:
    """End a transaction's records: messages, mailings it touched, then how far the state goes."""
    for (queue_id, base_offset), batch in state.journals[-1].added.items():
        effects.state.append((pending_state_key(*queue_id, base_offset), encode_batch(batch)))
    for orgid, mid in state.journals[-1].mailings:
        record = asdict(state.mailings[orgid, mid])
        key = b"m:%d:%d" % (orgid, mid)
        effects.state.append((key, _CODEC.encode(MAILING_STATE, record)))
    state.seq += 1
    meta = {
        "seq": state.seq,
        "applied": state.applied,
        "topic_id": state.topic_id,
        "partitions": state.partitions,
        "fold_version": FOLD_VERSION,
    }
    effects.state.append((META_KEY, _CODEC.encode(PARTITION_META, meta)))


def load(state: PartitionState, key: bytes, value: bytes | None) -> None:
    """Take one changelog record; records come in the order of the topic."""
    kind = key[:2]
    if kind == b"r:":
        if value is not None:
            state.recipients.load(key[2:], _as_current(RECIPIENT_STATE, value))
    elif kind == b"p:":
        _load_batch(state, key, value)
    elif kind == b"m:":
        mailing = _mailing(_decode(value))
        state.mailings[mailing.orgid, mailing.mid] = mailing
    elif key == META_KEY:
        _load_meta(state, _decode(value))
    elif kind != b"x:":
        raise BadRecord("UNKNOWN_STATE_KEY", f"the changelog holds a key we never wrote: {kind!r}")


def finish_load(state: PartitionState) -> None:
    """Find again what the changelog does not hold, when every record was taken."""
    for (orgid, mid, invocation), queue in state.queues.items():
        mailing = state.mailings[orgid, mid]
        # Compaction keeps a record's last place in the topic, which is not its first.
        queue.batches = dict(sorted(queue.batches.items()))
        if invocation == mailing.invocation + 1:
            queue.seen = dedup_keys(mailing, queue)
    state.order_drains()


def dedup_keys(mailing: Mailing, messages: Iterable[bytes]) -> set[object]:
    """Return the dedup keys of pending messages under their mailing's policy."""
    if mailing.dedup is DedupPolicy.NONE:
        return set()
    return {dedup_key(mailing.dedup, *rid_and_context(message)) for message in messages}


def _load_batch(state: PartitionState, key: bytes, value: bytes | None) -> None:
    orgid, mid, invocation, base_offset = map(int, key[2:].split(b":"))
    queue_id = (orgid, mid, invocation)
    if value is not None:
        state.open_queue(queue_id).batches[base_offset] = batch_of(_decode(value), _inside)
    elif (queue := state.queues.get(queue_id)) is not None:
        queue.batches.pop(base_offset, None)
        if not queue.batches:
            del state.queues[queue_id]


def _load_meta(state: PartitionState, meta: dict[str, object]) -> None:
    version = int(str(meta["fold_version"]))
    if version > FOLD_VERSION:
        raise NewerState(state.partition, version, FOLD_VERSION)
    state.seq = int(str(meta["seq"]))
    state.applied = int(str(meta["applied"]))
    state.topic_id = str(meta["topic_id"])
    state.partitions = int(str(meta["partitions"]))


def _mailing(record: dict[str, object]) -> Mailing:
    cuts = record.pop("cuts")
    assert isinstance(cuts, list)  # noqa: S101 - the schema says so
    mailing = Mailing(**record)  # type: ignore[arg-type]
    mailing.dedup = DedupPolicy(mailing.dedup)
    mailing.state = MailingPhase(mailing.state)
    mailing.cuts = tuple(Cut(**cut) for cut in cuts)
    return mailing


def _as_current(name: str, value: bytes) -> bytes:
    """Return *value* as today's schema writes it; only bytes of an old release are decoded."""
    if value.startswith(_FRAMES[name]):
        return value
    return _CODEC.encode(name, _CODEC.decode(value)[1])


def _inside(value: bytes) -> bytes:
    """Return a record kept inside another as today's schema writes it."""
    if value[:SINGLE_OBJECT_BYTES] in _CURRENT:
        return value
    return _CODEC.encode(*_CODEC.decode(value))


def _decode(value: bytes | None) -> Record:
    return _CODEC.decode(value)[1]
