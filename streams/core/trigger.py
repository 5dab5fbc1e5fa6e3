"""A recipient is triggered: who it is, whether the message is new, and what the caller is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.errors import BadRecord
from schemas.ids import identity, partition_of_rid, recipient_key, rid_key, rid_of
from schemas.partition import partition_for
from schemas.records import API_TRIGGERED, Outcome, Status, UnknownRecipients
from schemas.varint import encode_long
from streams.core.cap_table import key_of
from streams.core.changelog import RECIPIENT_FRAME
from streams.core.dedup import dedup_key
from streams.core.messages import with_fields
from streams.core.phases import TAKES_TRIGGERS
from streams.core.recipients import dates_of, email_of, head_of, pack, stored_of

if TYPE_CHECKING:
    from streams.core.effects import Effects
    from streams.core.events import Trigger
    from streams.core.partition import Mailing, PartitionState

OUTCOME_BYTES = {outcome: encode_long(outcome) for outcome in Outcome}
NO_RID = encode_long(0)
Judged = tuple[Outcome, bytes]
"""What the caller is told: the outcome, and the rid as Avro writes it"""

# A member of an enumeration costs as much to look up as a small function.
_NOT_GIVEN, _SUBSCRIBED, _UNSUBSCRIBED = map(
    int, (Status.NOT_GIVEN, Status.SUBSCRIBED, Status.UNSUBSCRIBED)
)


def apply_trigger(
    state: PartitionState,
    trigger: Trigger,
    at: tuple[int, int],
    key: bytes | None,
    effects: Effects,
) -> Judged:
    """Fold one trigger; *at* is its (offset, log time in ms).

    Everything is decided first, then written, so that a failure leaves no trace.
    """
    head = trigger.head
    check_key(state, head.orgid, head.rid, head.email, key)
    mailing = state.mailings.get((trigger.head.orgid, trigger.head.mid))
    if mailing is None:
        return Outcome.UNKNOWN_MAILING, NO_RID
    closed = _refusal(mailing)
    if closed is not None:
        return _reject(state, mailing, closed)
    if trigger.head.rid:
        return _trigger_by_rid(state, mailing, trigger, at)
    return _trigger_by_address(state, mailing, trigger, at, key or b"", effects)


def check_key(state: PartitionState, orgid: int, rid: int, email: str, key: bytes | None) -> None:
    """Raise BadRecord unless *key* is the one of an event about this recipient."""
    if rid:
        fits = key == rid_key(orgid, rid) and partition_of_rid(rid) == state.partition
    elif "@" not in email:
        raise BadRecord("NO_RECIPIENT", "the event names neither a rid nor an address")
    else:
        fits = key == recipient_key(orgid, email)
    if not fits:
        raise BadRecord("FOREIGN_KEY", "the record's key is not that of its recipient")


def owner_of(state: PartitionState, orgid: int, rid: int) -> bytes | None:
    """Return the log key of the recipient with *rid*, if this organisation may have it."""
    key = state.recipients.key_of(rid)
    # Another organisation's recipient answers like nobody's: rids can be guessed.
    return key if key is not None and key.startswith(b"%d:" % orgid) else None


def _refusal(mailing: Mailing) -> Outcome | None:
    if mailing.type != API_TRIGGERED:
        return Outcome.NOT_TRIGGERED
    return None if mailing.state in TAKES_TRIGGERS else Outcome.MAILING_CLOSED


def _trigger_by_address(
    state: PartitionState,
    mailing: Mailing,
    trigger: Trigger,
    at: tuple[int, int],
    key: bytes,
    effects: Effects,
) -> Judged:
    offset, log_time_ms = at
    found = state.recipients.get(key)
    if found is not None:
        return _add(state, mailing, trigger, at, found)
    # Looked at for new recipients alone, since it costs 2 us: a known one is at home.
    if partition_for(key, state.partitions) != state.partition:
        raise BadRecord("NOT_HOME", "the record is not on its key's partition: see docs/wire.md")
    if mailing.unknown_recipients is UnknownRecipients.REJECT:
        return _reject(state, mailing, Outcome.UNKNOWN_RECIPIENT)
    stub = state.stubs.find(key)
    rid = rid_of(offset, state.partition) if stub is None else stub.rid
    rid_bytes = encode_long(rid)
    status = _SUBSCRIBED if trigger.head.status == _NOT_GIVEN else trigger.head.status
    stored = trigger.stored
    if stub is not None:
        # Who had unsubscribed, or opted out of SMS, before being erased has done so still.
        status = _UNSUBSCRIBED if stub.status == _UNSUBSCRIBED else status
        stored = with_fields(stored, {"smsSubscribed": False}) if stub.sms_opted_out else stored
    value = pack(RECIPIENT_FRAME, rid_bytes, status, stored, dates_of(log_time_ms))
    state.touch(mailing)
    outcome = Outcome.CREATED
    # Who comes back after being erased has the ID, and so what counts under it.
    if status == _UNSUBSCRIBED or _is_full(state, mailing, rid_bytes, log_time_ms):
        mailing.suppressed += 1
        outcome = Outcome.SUPPRESSED
    else:
        same = dedup_key(mailing.dedup, rid_bytes, trigger.head.context)
        _keep(state, mailing, trigger, at, same, rid_bytes, b"" if stub is None else value)
    if stub is None:
        state.recipients.put(key, value, rid)
        effects.recipients.add(key, value, rid)
    else:
        state.stubs.forget(key)
        state.recipients.put_back(key, value, rid)
        effects.changed[key] = value
    mailing.triggered += 1
    mailing.created += 1
    return outcome, rid_bytes


def _trigger_by_rid(
    state: PartitionState, mailing: Mailing, trigger: Trigger, at: tuple[int, int]
) -> Judged:
    key = owner_of(state, trigger.head.orgid, trigger.head.rid)
    found = state.recipients.get(key) if key is not None else None
    if found is None:
        return _reject(state, mailing, Outcome.UNKNOWN_RECIPIENT)
    if trigger.head.email and identity(trigger.head.email) != identity(email_of(stored_of(found))):
        return _reject(state, mailing, Outcome.EMAIL_MISMATCH)
    return _add(state, mailing, trigger, at, found)


def _add(
    state: PartitionState,
    mailing: Mailing,
    trigger: Trigger,
    at: tuple[int, int],
    found: bytes,
) -> Judged:
    """Add a message for a recipient this partition has."""
    rid, status = head_of(found)
    rid_bytes = encode_long(rid)
    same = dedup_key(mailing.dedup, rid_bytes, trigger.head.context)
    state.touch(mailing)
    # A duplicate adds nothing that a cap could keep away: it is told so, however often it comes.
    if status != _UNSUBSCRIBED and state.is_pending(mailing.queue_id, same):
        mailing.duplicates += 1
        outcome = Outcome.DUPLICATE
    elif status == _UNSUBSCRIBED or _is_full(state, mailing, rid_bytes, at[1]):
        mailing.known += 1
        mailing.suppressed += 1
        outcome = Outcome.SUPPRESSED
    else:
        _keep(state, mailing, trigger, at, same, rid_bytes, found)
        mailing.known += 1
        outcome = Outcome.KNOWN
    mailing.triggered += 1
    return outcome, rid_bytes


def _is_full(state: PartitionState, mailing: Mailing, rid_bytes: bytes, log_time_ms: int) -> bool:
    """Whether the recipient had as many messages within the hour as the mailing's cap allows."""
    if not mailing.hourly_cap:
        return False
    whose = key_of(mailing.orgid, mailing.mid, rid_bytes)
    return state.caps.is_full(whose, mailing.hourly_cap, log_time_ms)


def _keep(
    state: PartitionState,
    mailing: Mailing,
    trigger: Trigger,
    at: tuple[int, int],
    same: object,
    rid_bytes: bytes,
    recipient: bytes,
) -> None:
    offset, log_time_ms = at
    queue_id = mailing.queue_id
    state.open_batch(queue_id, offset).add(offset, rid_bytes, recipient, trigger.event)
    if same is not None:
        state.queues[queue_id].seen.add(same)
    if mailing.hourly_cap:
        state.caps.add(offset, key_of(mailing.orgid, mailing.mid, rid_bytes), log_time_ms)


def _reject(state: PartitionState, mailing: Mailing, outcome: Outcome) -> Judged:
    state.touch(mailing)
    mailing.triggered += 1
    mailing.rejected += 1
    return outcome, NO_RID


def acknowledge(
    effects: Effects, trigger: Trigger, outcome: Outcome, rid_bytes: bytes = NO_RID
) -> None:
    """Tell the caller what became of an entry, when there is one who waits."""
    if trigger.head.reply_partition < 0:
        return
    effects.replies.acks[trigger.head.reply_partition].add(
        trigger.head.request, encode_long(trigger.head.entry), rid_bytes, OUTCOME_BYTES[outcome]
    )
