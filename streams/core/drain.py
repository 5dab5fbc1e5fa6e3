"""A cut queue becomes sends, a slice at a time, while later events go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.core.changelog import pending_state_key
from streams.core.messages import send_of

if TYPE_CHECKING:
    from streams.core.effects import Effects
    from streams.core.partition import PartitionState


def drain(state: PartitionState, limit: int, send_frame: bytes, effects: Effects) -> int:
    """Send the oldest messages of cut queues, batch by batch until *limit*; return how many."""
    sent = 0
    while state.drains and sent < limit:
        queue_id = state.drains[0]
        orgid, mid, invocation = queue_id
        mailing = state.mailings[orgid, mid]
        batch, in_changelog = state.take_batch(queue_id)
        effects.sends += [
            send_of(send_frame, queue_id, state.partition, message) for message in batch
        ]
        if in_changelog:
            effects.state.append((pending_state_key(*queue_id, batch.base_offset), None))
        state.touch(mailing)
        mailing.sent += len(batch)
        if queue_id not in state.queues:
            state.drains.popleft()
            mailing.cuts = tuple(cut for cut in mailing.cuts if cut.invocation != invocation)
        sent += len(batch)
    return sent
