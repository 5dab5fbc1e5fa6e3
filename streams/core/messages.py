"""Pending messages: their changelog record, and the sends they become."""

from __future__ import annotations

import re
from io import BytesIO
from typing import TYPE_CHECKING, Any

from fastavro import schemaless_writer

from schemas.codec import current_schema, fields_after, read
from schemas.errors import BadRecord
from schemas.framing import SINGLE_OBJECT_BYTES, Framing
from schemas.records import PENDING_STATE, RECIPIENT_TRIGGERED, Channel
from schemas.varint import decode_long, encode_bytes, encode_long
from streams.core.heads import read_head
from streams.core.overlay import overlaid, sms_contact
from streams.core.queues import Batch
from streams.core.recipients import stored_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streams.core.queues import Message, QueueId

_FRAME = Framing().prefixes[PENDING_STATE]
PROFILE = fields_after(current_schema(RECIPIENT_TRIGGERED), "email")
# A profile of nothing: one null branch a field.
EMPTY_PROFILE = b"\x00" * len(PROFILE["fields"])
_E164 = re.compile(rb"\+[0-9]{8,15}")
# A send ends in its channel's place among the symbols of the schema.
_EMAIL, _SMS = (encode_long(place) for place in range(2))


def encode_batch(batch: Batch) -> bytes:
    """Seal *batch*, and return the framed PendingState of it."""
    head = _FRAME + encode_long(batch.base_offset) + encode_long(len(batch))
    return batch.seal(head)


def batch_of(value: bytes, today: Callable[[bytes], bytes]) -> Batch:
    """Return the batch of a framed PendingState of today's schema, and of one block of items.

    The records inside are brought up to date by *today*.
    """
    base_offset, at = decode_long(value, SINGLE_OBJECT_BYTES)
    count, at = decode_long(value, at)
    batch = Batch(base_offset)
    for offset, rid_bytes, recipient, event in Batch(base_offset, count, record=value, items_at=at):
        batch.add(offset, rid_bytes, today(recipient) if recipient else b"", today(event))
    encode_batch(batch)
    return batch


def context_of(event: bytes) -> bytes:
    """Return the context of a trigger."""
    return read_head(event, SINGLE_OBJECT_BYTES).context


def sends_of(
    frame: bytes,
    queue_id: QueueId,
    partition: int,
    message: Message,
    channels: tuple[Channel, ...],
) -> list[tuple[bytes, bytes]]:
    """Return (key, value) of each send that a pending message becomes.

    The call's fields stand over the recipient's stored ones; the address is as first written.
    An SMS goes to whoever has active SMS fields.
    """
    orgid, mid, invocation = queue_id
    offset, rid_bytes, recipient, event = message
    rid, _ = decode_long(rid_bytes, 0)
    head = read_head(event, SINGLE_OBJECT_BYTES)
    rest = event[head.stored_at :]
    if recipient:
        rest = _over(stored_of(recipient), rest)
    send_id = b"%d:%d:%d" % (rid, partition, offset)
    fields = (
        encode_long(orgid),
        encode_long(mid),
        encode_long(invocation),
        rid_bytes,
        encode_bytes(head.context),
        rest,
    )
    said = b"".join(fields)
    key = b"%d:#%d" % (orgid, rid)
    sends = []
    if Channel.EMAIL in channels:
        sends.append((key, frame + encode_bytes(send_id) + said + _EMAIL))
    if Channel.SMS in channels and _takes_sms(rest):
        sends.append((key, frame + encode_bytes(send_id + b":sms") + said + _SMS))
    return sends


def check_profile(event: bytes, at: int) -> None:
    """Raise BadRecord unless the profile at *at* can be read, and ends the event."""
    rest = BytesIO(event)
    rest.seek(at)
    read(rest, PROFILE)
    if rest.tell() != len(event):
        raise BadRecord("TRAILING_BYTES", "bytes follow the end of the record")


def _over(stored: bytes, called: bytes) -> bytes:
    """Return the stored address and profile with the call's fields over the stored ones.

    But who opted out of SMS stays out: a trigger never re-subscribes.
    """
    length, at = decode_long(called, 0)
    call_profile = called[at + length :]
    if call_profile == EMPTY_PROFILE:
        return stored
    merged = overlaid(stored, called, at + length)
    if merged is None:
        merged = with_fields(stored, fields_of_profile(call_profile), but_no_sms=True)
    return merged


def with_fields(stored: bytes, fields: Mapping[str, Any], *, but_no_sms: bool = False) -> bytes:
    """Return a stored address and profile with *fields* over its own; None is as absent.

    Names in `profileData` are fields of their own. With *but_no_sms* who opted out stays out.
    """
    length, at = decode_long(stored, 0)
    merged = fields_of_profile(stored[at + length :])
    opted_out = but_no_sms and merged["smsSubscribed"] is False
    for name, field in fields.items():
        if name == "profileData" and field is not None:
            merged[name] = (merged[name] or {}) | field
        elif field is not None and not (opted_out and name == "smsSubscribed"):
            merged[name] = field
    out = BytesIO()
    out.write(stored[: at + length])
    schemaless_writer(out, PROFILE, merged)
    return out.getvalue()


def opted_out_of_sms(stored: bytes) -> bool:
    """Whether the profile behind an address says that SMS are not welcome."""
    length, at = decode_long(stored, 0)
    return fields_of_profile(stored[at + length :])["smsSubscribed"] is False


def _takes_sms(stored: bytes) -> bool:
    """Whether an address and profile have active SMS fields: a number, and no opt-out."""
    number = sms_contact(stored)
    if number is None:
        length, at = decode_long(stored, 0)
        profile = fields_of_profile(stored[at + length :])
        opted_out = profile["smsSubscribed"] is False
        number = b"" if opted_out else (profile["smsContact"] or "").encode()
    return _E164.fullmatch(number) is not None


def fields_of_profile(data: bytes) -> dict[str, Any]:
    return read(BytesIO(data), PROFILE)
