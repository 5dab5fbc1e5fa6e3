"""What an unsubscription does to messages that wait: it takes back those that nothing has cut.

Batches are written again without them, so that whoever reads a queue later, a drain or a restore,
needs to know nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.framing import SINGLE_OBJECT_BYTES
from schemas.records import Status
from streams.core.changelog import RECIPIENT_FRAME, dedup_keys, pending_state_key
from streams.core.heads import read_head
from streams.core.messages import with_fields
from streams.core.queues import Batch
from streams.core.recipients import dates_of, pack, stored_of

if TYPE_CHECKING:
    from streams.core.effects import Effects
    from streams.core.partition import Mailing, PartitionState
    from streams.core.queues import Message, Queue


def suppress(state: PartitionState, orgid: int, rid_bytes: bytes, effects: Effects) -> None:
    """Take back every message of a recipient that no invocation has cut, and count it.

    The same trigger makes a new message once the recipient is subscribed again.
    """
    for mailing, queue in state.open_queues(orgid):
        taken: list[Message] = []
        for batch in _batches_for(queue, rid_bytes):
            rest = Batch(batch.base_offset)
            for message in batch:
                if message[1] == rid_bytes:
                    taken.append(message)
                else:
                    rest.add(*message)
            _replace(state, mailing, rest, effects)
        if taken:
            state.touch(mailing)
            mailing.suppressed += len(taken)
            queue.seen -= dedup_keys(mailing, taken)


def take_sms_out(state: PartitionState, orgid: int, rid_bytes: bytes, effects: Effects) -> None:
    """Let no message of a recipient that no invocation has cut say that SMS are welcome."""
    for mailing, queue in state.open_queues(orgid):
        for batch in _batches_for(queue, rid_bytes):
            changed = Batch(batch.base_offset)
            for offset, rid, recipient, event in batch:
                if rid == rid_bytes:
                    changed.add(offset, rid, _without_sms(rid, recipient, event), event)
                else:
                    changed.add(offset, rid, recipient, event)
            _replace(state, mailing, changed, effects)


def _batches_for(queue: Queue, rid_bytes: bytes) -> list[Batch]:
    return [batch for batch in queue.batches.values() if batch.is_for(rid_bytes)]


def _replace(state: PartitionState, mailing: Mailing, batch: Batch, effects: Effects) -> None:
    queue_id = mailing.queue_id
    if state.replace_batch(queue_id, batch):
        effects.state.append((pending_state_key(*queue_id, batch.base_offset), None))


def _without_sms(rid_bytes: bytes, recipient: bytes, event: bytes) -> bytes:
    """Return what a message keeps of its recipient, whom its own event may have created."""
    if recipient:
        stored = stored_of(recipient)
    else:
        stored = event[read_head(event, SINGLE_OBJECT_BYTES).stored_at :]
    stored = with_fields(stored, {"smsSubscribed": False})
    return pack(RECIPIENT_FRAME, rid_bytes, Status.SUBSCRIBED, stored, dates_of(0))
