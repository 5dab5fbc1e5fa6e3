"""A recipient is asked for, or what is stored of it is changed or erased.

Such an event is keyed and placed like a trigger of the same recipient, so the log has one order for
both: an answer knows everything that was acknowledged before it was asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.errors import BadRecord
from schemas.ids import recipient_key
from schemas.partition import partition_for
from schemas.records import (
    RECIPIENT_ANSWER,
    RECIPIENT_ERASED,
    RECIPIENT_QUERIED,
    RecipientOutcome,
    Status,
)
from schemas.topics import MAX_EVENT_BYTES
from schemas.varint import encode_long
from streams.core.answers import answer
from streams.core.changelog import RECIPIENT_FRAME
from streams.core.erasing import erase
from streams.core.messages import PROFILE, with_fields
from streams.core.recipients import dates_of, pack, unpack
from streams.core.stubs import stub_state
from streams.core.suppression import suppress, take_sms_out
from streams.core.trigger import check_key, owner_of

if TYPE_CHECKING:
    from schemas.codec import Codec, Record
    from streams.core.effects import Effects
    from streams.core.partition import PartitionState

_FIELDS: Final = [field["name"] for field in PROFILE["fields"]]


class RecipientFold:
    """Folds questions and changes; *codec* writes the answers."""

    def __init__(self, state: PartitionState, codec: Codec) -> None:
        self._state = state
        self._codec = codec

    def apply(
        self, name: str, event: Record, key: bytes | None, log_time_ms: int, effects: Effects
    ) -> None:
        """Fold one event; *key* is its record's."""
        check_key(self._state, event["orgid"], event["rid"], event["email"], key)
        owner = self._owner(event, key or b"")
        found = self._state.recipients.get(owner) if owner is not None else None
        if owner is None or found is None:
            self._answer_unknown(name, event, owner, effects)
        elif event["email"] and recipient_key(event["orgid"], event["email"]) != owner:
            self._answer(event, effects, RecipientOutcome.EMAIL_MISMATCH)
        elif name == RECIPIENT_QUERIED:
            self._answer(event, effects, RecipientOutcome.DONE, found)
        elif name == RECIPIENT_ERASED:
            stub = erase(self._state, event, owner, found, log_time_ms, effects)
            self._answer(event, effects, RecipientOutcome.DONE, stub_state(stub))
        else:
            self._change(event, owner, found, log_time_ms, effects)

    def fail(self, event: Record, effects: Effects) -> None:
        """Answer an event that became a dead letter, so that nobody waits for it."""
        self._answer(event, effects, RecipientOutcome.FAILED)

    def _owner(self, event: Record, key: bytes) -> bytes | None:
        """Return the log key of the recipient that is meant; None: nobody of the organisation."""
        if not event["rid"]:
            if partition_for(key, self._state.partitions) != self._state.partition:
                raise BadRecord("NOT_HOME", "the record is not on its key's partition")
            return key
        return owner_of(self._state, event["orgid"], event["rid"])

    def _answer_unknown(
        self, name: str, event: Record, owner: bytes | None, effects: Effects
    ) -> None:
        """Answer for a recipient that is not there; who erases one again is answered as before."""
        stubs, orgid = self._state.stubs, event["orgid"]
        outcome, stub = RecipientOutcome.UNKNOWN_RECIPIENT, None
        if name == RECIPIENT_ERASED:
            stub = stubs.find(owner) if owner is not None else stubs.of_rid(event["rid"])
        if stub is None or stub.orgid != orgid:
            self._answer(event, effects, outcome)
        elif event["email"] and stubs.find(recipient_key(orgid, event["email"])) is not stub:
            self._answer(event, effects, RecipientOutcome.EMAIL_MISMATCH)
        else:
            self._answer(event, effects, RecipientOutcome.DONE, stub_state(stub))

    def _change(
        self, event: Record, key: bytes, found: bytes, log_time_ms: int, effects: Effects
    ) -> None:
        known = unpack(found)
        status = known.status if event["status"] == Status.NOT_GIVEN else event["status"]
        fields = {name: event[name] for name in _FIELDS if event[name] is not None}
        stored = with_fields(known.stored, fields)
        if len(stored) > MAX_EVENT_BYTES:
            self._answer(event, effects, RecipientOutcome.TOO_LARGE)
            return
        # Both as we write them: a foreign producer may have written the same in other bytes.
        if (status, stored) != (known.status, with_fields(known.stored, {})):
            rid_bytes = encode_long(known.rid)
            dates = dates_of(known.created, log_time_ms)
            found = pack(RECIPIENT_FRAME, rid_bytes, status, stored, dates)
            if status == Status.UNSUBSCRIBED != known.status:
                suppress(self._state, event["orgid"], rid_bytes, effects)
            elif fields.get("smsSubscribed") is False:
                take_sms_out(self._state, event["orgid"], rid_bytes, effects)
            self._state.recipients.put(key, found, known.rid)
            effects.changed[key] = found
        self._answer(event, effects, RecipientOutcome.DONE, found)

    def _answer(
        self, event: Record, effects: Effects, outcome: RecipientOutcome, recipient: bytes = b""
    ) -> None:
        index = event["index"]
        answer(effects, self._codec, RECIPIENT_ANSWER, event, index, outcome, recipient=recipient)
