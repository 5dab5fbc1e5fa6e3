"""What would become of entries, if they were triggered now: asked, answered, and nothing changed.

A trigger's own rules decide, over a state that lies on top of the partition's and is dropped: so
each entry is judged after those before it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from schemas.ids import recipient_key, rid_key
from schemas.records import DRY_RUN_ANSWER, DryRunOutcome
from schemas.varint import decode_long, encode_bytes
from streams.core.answers import answer
from streams.core.cap_table import CapTable
from streams.core.effects import Effects
from streams.core.events import Trigger
from streams.core.heads import Head
from streams.core.messages import EMPTY_PROFILE
from streams.core.partition import Journal, PartitionState
from streams.core.stubs import StubTable
from streams.core.trigger import apply_trigger

if TYPE_CHECKING:
    from schemas.codec import Codec, Record
    from streams.core.partition import MailingId
    from streams.core.queues import QueueId
    from streams.core.recipients import RecipientTable
    from streams.core.stubs import Stub


class DryRunFold:
    """Folds questions of this kind; *codec* writes the answers."""

    def __init__(self, state: PartitionState, codec: Codec) -> None:
        self._state = state
        self._codec = codec

    def apply(self, event: Record, log_time_ms: int, effects: Effects) -> None:
        """Fold one event; of *effects* it has nothing but the answer."""
        orgid, mid, entries = event["orgid"], event["mid"], event["entries"]
        keys = [
            rid_key(orgid, entry["rid"]) if entry["rid"] else recipient_key(orgid, entry["email"])
            for entry in entries
        ]
        self._state.recipients.prefetch(keys)
        above, dropped = _StateAbove(self._state, (orgid, mid)), Effects()
        foretold = []
        for number, (entry, key) in enumerate(zip(entries, keys, strict=True)):
            # Below every real one, so that whoever would be created gets a rid that nobody has.
            offset = number - len(entries) - 1
            trigger = _trigger_of(orgid, mid, entry)
            at = (offset, log_time_ms)
            outcome, rid_bytes = apply_trigger(above, trigger, at, key, dropped)
            rid = max(decode_long(rid_bytes, 0)[0], 0)
            foretold.append({"index": entry["index"], "rid": rid, "outcome": outcome.name})
        self._answer(event, effects, DryRunOutcome.DONE, foretold)

    def fail(self, event: Record, effects: Effects) -> None:
        """Answer an event that became a dead letter, so that nobody waits for it."""
        self._answer(event, effects, DryRunOutcome.FAILED, [])

    def _answer(
        self, event: Record, effects: Effects, outcome: DryRunOutcome, foretold: list[Record]
    ) -> None:
        place = self._state.partition
        answer(effects, self._codec, DRY_RUN_ANSWER, event, place, outcome, entries=foretold)


class _StateAbove(PartitionState):
    """A state that knows what the one *below* knows of one mailing, and keeps what it is told."""

    def __init__(self, below: PartitionState, ident: MailingId) -> None:
        # A trigger asks a table for no more than this one has.
        recipients = cast("RecipientTable", _RecipientsAbove(below.recipients))
        super().__init__(below.partition, below.partitions, recipients)
        self._below = below
        self.stubs, self.caps = _StubsAbove(below.stubs), _CapsAbove(below.caps)
        mailing = below.mailings.get(ident)
        if mailing is not None:
            self.mailings[ident] = replace(mailing)
        self.journals.append(Journal(self.seq, self.applied, self.applied_at))

    def is_pending(self, queue_id: QueueId, same: object) -> bool:
        return super().is_pending(queue_id, same) or self._below.is_pending(queue_id, same)


class _RecipientsAbove:
    """Recipients above a table's: whom it does not know is kept here."""

    def __init__(self, below: RecipientTable) -> None:
        self._below = below
        self._new: dict[bytes, bytes] = {}
        self._back: dict[int, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self._new.get(key) or self._below.get(key)

    def key_of(self, rid: int) -> bytes | None:
        # Nobody can name one of the new, but who comes back has the rid of before.
        return self._back.get(rid) or self._below.key_of(rid)

    def put(self, key: bytes, value: bytes, _rid: int) -> None:
        self._new[key] = value

    def put_back(self, key: bytes, value: bytes, rid: int) -> None:
        self._new[key] = value
        self._back[rid] = key


class _StubsAbove(StubTable):
    """The stubs *below*, without those of whom came back."""

    def __init__(self, below: StubTable) -> None:
        super().__init__()
        self._below = below
        self._forgotten: set[bytes] = set()

    def find(self, key: bytes) -> Stub | None:
        return None if key in self._forgotten else self._below.find(key)

    def forget(self, key: bytes) -> None:
        self._forgotten.add(key)


class _CapsAbove(CapTable):
    """What counts *below*, and what is added above it."""

    def __init__(self, below: CapTable) -> None:
        super().__init__()
        self._below = below
        self.begin()

    def times_of(self, whose: bytes) -> list[int]:
        return self._below.times_of(whose) + super().times_of(whose)


def _trigger_of(orgid: int, mid: int, entry: Record) -> Trigger:
    """Return the trigger that an entry would be, as far as it decides anything."""
    head = Head(
        orgid=orgid,
        mid=mid,
        request=b"",
        entry=entry["index"],
        reply_partition=-1,
        rid=entry["rid"],
        status=entry["status"],
        context=entry["context"],
        email=entry["email"],
        stored_at=0,
        profile_at=0,
    )
    return Trigger(head, b"", encode_bytes(entry["email"].encode()) + EMPTY_PROFILE)
