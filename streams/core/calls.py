"""A call with an idempotency key begins, or is made again; each of its entries counts once.

The key's home partition gives the call a number and says, when the same call is made again, that
it is the same. Its entries carry the number, and the partition of each answers a second one as it
answered the first. So a call may be made again, by anybody and at any moment, also while the first
is under way or was never finished: there is nothing to be resumed, and nobody to be waited for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.calls import (
    DIGEST_BYTES,
    ENTRY_MS,
    KEY_MS,
    MAX_KEPT,
    MAX_KEY_CHARS,
    SKEW_MS,
    call_key,
)
from schemas.errors import BadRecord
from schemas.ids import rid_of
from schemas.partition import partition_for
from schemas.records import CALL_ANSWER, CallOutcome
from schemas.topics import MAX_ENTRIES
from schemas.varint import encode_long
from streams.core.answers import answer
from streams.core.call_table import Call
from streams.core.trigger import OUTCOME_BYTES, apply_trigger, check_key

if TYPE_CHECKING:
    from schemas.codec import Codec, Record
    from streams.core.effects import Effects
    from streams.core.events import Once
    from streams.core.partition import PartitionState


class CallFold:
    """Folds beginnings of calls and their entries; *codec* writes answers."""

    def __init__(self, state: PartitionState, codec: Codec) -> None:
        self._state = state
        self._codec = codec

    def begin(
        self, event: Record, key: bytes | None, at: tuple[int, int], effects: Effects
    ) -> None:
        """Fold a CallBegun; *at* is its (offset, log time in ms)."""
        self._check(event, key)
        offset, now = at
        table = self._state.calls
        table.forget(now)
        log_key = call_key(event["orgid"], event["mid"], event["key"])
        known = table.calls.get(log_key)
        if known is not None and now < known.begun_at + KEY_MS:
            same = (known.digest, known.count) == (event["digest"], event["count"])
            outcome = CallOutcome.KNOWN if same else CallOutcome.OTHER_CALL
            self._answer(event, effects, outcome, known if same else None)
            return
        number = rid_of(offset, self._state.partition)
        call = Call(number, now, event["digest"], event["count"])
        if table.size + call.size > MAX_KEPT:
            self._answer(event, effects, CallOutcome.TOO_MANY)
            return
        table.put(log_key, call)
        self._answer(event, effects, CallOutcome.BEGUN, call)

    def apply_once(
        self, once: Once, key: bytes | None, at: tuple[int, int], effects: Effects
    ) -> None:
        """Fold an entry, or answer it as the first with its call and index was."""
        offset, now = at
        trigger, head, table = once.trigger, once.trigger.head, self._state.calls
        # What was answered is kept for longer than entries are taken.
        if not once.begun_at - SKEW_MS <= now < once.begun_at + ENTRY_MS:
            raise BadRecord("CALL_EXPIRED", "the entry's call did not begin within the last day")
        if once.call < 1:
            raise BadRecord("BAD_FIELD", "the number of a call is positive")
        check_key(self._state, head.orgid, head.rid, head.email, key)
        table.forget(now)
        entry = encode_long(once.call) + encode_long(head.entry)
        answer = table.answers.get(entry)
        if answer is None:
            outcome, rid_bytes = apply_trigger(self._state, trigger, at, key, effects)
            told = OUTCOME_BYTES[outcome]
            table.remember(offset, once.begun_at, entry, rid_bytes, told)
        else:
            # An outcome takes one byte.
            rid_bytes, told = answer[:-1], answer[-1:]
        if head.reply_partition >= 0:
            acks = effects.replies.acks[head.reply_partition]
            acks.add(head.request, encode_long(head.entry), rid_bytes, told)

    def fail(self, event: Record, effects: Effects) -> None:
        """Answer a beginning that became a dead letter, so that nobody waits for it."""
        self._answer(event, effects, CallOutcome.FAILED)

    def _check(self, event: Record, key: bytes | None) -> None:
        if not (
            event["mid"] >= 1
            and 1 <= len(event["key"]) <= MAX_KEY_CHARS
            and len(event["digest"]) == DIGEST_BYTES
            and 1 <= event["count"] <= MAX_ENTRIES
        ):
            raise BadRecord("BAD_FIELD", "mid, key, digest or count is out of range")
        log_key = call_key(event["orgid"], event["mid"], event["key"])
        if key != log_key:
            raise BadRecord("FOREIGN_KEY", "the record's key is not that of its call")
        home = partition_for(log_key, self._state.partitions)
        if self._state.partition != home:
            raise BadRecord("NOT_HOME", f"this call's key belongs on partition {home}")

    def _answer(
        self, event: Record, effects: Effects, outcome: CallOutcome, call: Call | None = None
    ) -> None:
        answer(
            effects,
            self._codec,
            CALL_ANSWER,
            event,
            self._state.partition,
            outcome,
            call=0 if call is None else call.call,
            begun_at=0 if call is None else call.begun_at,
        )
