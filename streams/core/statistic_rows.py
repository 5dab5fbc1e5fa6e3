"""A mailing's counters as a row for `mailing.statistics`, and which rows are behind.

When a row is written is for the worker to say: a fold has no clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.ids import mailing_key
from schemas.records import MAILING_STATISTICS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.codec import Codec, Record
    from streams.core.effects import Effects
    from streams.core.partition import Mailing, MailingId, PartitionState


def behind(state: PartitionState) -> list[MailingId]:
    """Return the mailings that changed since their last row, the longest unreported first."""
    changed = dict(state.unreported)
    for journal in state.journals:
        changed.update(dict.fromkeys(journal.mailings))
    return list(changed)


def report(
    state: PartitionState, codec: Codec, idents: Iterable[MailingId], effects: Effects
) -> None:
    """Add to *effects* the rows of these mailings, as they are after the transaction being built.

    One that is not known, because what defined it was undone, has none.
    """
    reported = state.journals[-1].reported
    for ident in idents:
        mailing = state.mailings.get(ident)
        if mailing is not None:
            value = codec.encode(MAILING_STATISTICS, _row(state, mailing))
            effects.statistics.append((mailing_key(*ident), value))
            reported.append(ident)


def _row(state: PartitionState, mailing: Mailing) -> Record:
    return {
        "orgid": mailing.orgid,
        "mid": mailing.mid,
        "partition": state.partition,
        "revision": mailing.revision,
        "name": mailing.name,
        "type": mailing.type,
        "state": mailing.state.value,
        "triggered": mailing.triggered,
        "created": mailing.created,
        "known": mailing.known,
        "duplicates": mailing.duplicates,
        "suppressed": mailing.suppressed,
        "rejected": mailing.rejected,
        "pending": _waiting(state, mailing),
        "sent": mailing.sent,
        "offset": state.applied,
        "log_time": state.applied_at,
    }


def _waiting(state: PartitionState, mailing: Mailing) -> int:
    """Return how many messages are there: what the counters say has to be the same."""
    cut = ((mailing.orgid, mailing.mid, each.invocation) for each in mailing.cuts)
    queues = (state.queues.get(queue_id) for queue_id in (mailing.queue_id, *cut))
    return sum(len(queue) for queue in queues if queue is not None)
