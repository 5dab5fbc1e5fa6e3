"""A recipient is erased: what is personal goes, and a stub keeps its ID."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.varint import encode_long
from streams.core.messages import opted_out_of_sms
from streams.core.recipients import unpack
from streams.core.stubs import Stub
from streams.core.suppression import suppress

if TYPE_CHECKING:
    from schemas.codec import Record
    from streams.core.effects import Effects
    from streams.core.partition import PartitionState


def erase(
    state: PartitionState,
    event: Record,
    key: bytes,
    found: bytes,
    log_time_ms: int,
    effects: Effects,
) -> Stub:
    """Forget the recipient with this log key, kept as *found*, and return what is left of it.

    Its messages that no invocation has cut are taken back, as an unsubscription does.
    """
    known = unpack(found)
    suppress(state, event["orgid"], encode_long(known.rid), effects)
    opted_out = opted_out_of_sms(known.stored)
    stub = Stub(event["orgid"], known.rid, known.status, opted_out, max(log_time_ms, 0))
    state.recipients.remove(key, known.rid)
    state.stubs.add(key, stub, event["secret"])
    effects.erased.without(state, key, known.rid)
    effects.changed[key] = None
    return stub
