"""A cut queue becomes sends, a slice at a time, while later events go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.records import Channel
from streams.core.changelog import pending_state_key
from streams.core.messages import sends_of

if TYPE_CHECKING:
    from streams.core.effects import Effects
    from streams.core.partition import Mailing, PartitionState

EMAIL_ALONE: Final = (Channel.EMAIL,)
# Of a slice: some 10 ms of work, however large a context is.
_SLICE_BYTES: Final = 1024 * 1024


def drain(state: PartitionState, limit: int, send_frame: bytes, effects: Effects) -> int:
    """Send the oldest messages of cut queues, batch by batch; return how many.

    It ends at *limit*, and earlier where they are large.
    """
    sent = size = 0
    while state.drains and sent < limit and size < _SLICE_BYTES:
        queue_id = state.drains[0]
        orgid, mid, invocation = queue_id
        mailing = state.mailings[orgid, mid]
        batch, in_changelog = state.take_batch(queue_id)
        state.touch(mailing)
        channels = next(cut.channels for cut in mailing.cuts if cut.invocation == invocation)
        for message in batch:
            sends = sends_of(send_frame, queue_id, state.partition, message, channels)
            effects.sends += sends
            if channels != EMAIL_ALONE:
                _count(mailing, channels, len(sends))
        if in_changelog:
            effects.state.append((pending_state_key(*queue_id, batch.base_offset), None))
        mailing.sent += len(batch)
        if queue_id not in state.queues:
            state.drains.popleft()
            mailing.cuts = tuple(cut for cut in mailing.cuts if cut.invocation != invocation)
        sent += len(batch)
        size += batch.size
    return sent


def _count(mailing: Mailing, channels: tuple[Channel, ...], sends: int) -> None:
    """Count by which channels a message went: an e-mail always goes, an SMS where one can."""
    if Channel.EMAIL in channels:
        mailing.sms += sends - 1
    else:
        mailing.sms += sends
        mailing.sms_only += sends
        mailing.unreachable += 1 - sends
