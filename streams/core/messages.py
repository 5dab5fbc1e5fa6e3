"""Pending messages: what is kept of each until its mailing is invoked, and the send it becomes."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from fastavro import schemaless_writer

from schemas.codec import current_schema, fields_after, fields_until, read
from schemas.errors import BadRecord
from schemas.framing import SINGLE_OBJECT_BYTES
from schemas.records import RECIPIENT_TRIGGERED
from schemas.varint import decode_long, encode_bytes, encode_long
from streams.core.recipients import unpack

if TYPE_CHECKING:
    from collections.abc import Callable

_HEAD = fields_until(current_schema(RECIPIENT_TRIGGERED), "context")
PROFILE = fields_after(current_schema(RECIPIENT_TRIGGERED), "email")
# A profile of nothing: one null branch a field.
EMPTY_PROFILE = b"\x00" * len(PROFILE["fields"])


def message(frame: bytes, rid_bytes: bytes, recipient: bytes, event: bytes) -> bytes:
    """Return a framed PendingState; *recipient* is empty when the event created it."""
    return b"%b%b%b%b" % (frame, rid_bytes, encode_bytes(recipient), encode_bytes(event))


def message_as_current(value: bytes, today: Callable[[bytes], bytes]) -> bytes:
    """Return a PendingState with the records inside it brought up to date by *today*."""
    rid, recipient, event = _parts(value)
    kept = (today(recipient) if recipient else b"", today(event))
    if kept == (recipient, event):
        return value
    return message(value[:SINGLE_OBJECT_BYTES], encode_long(rid), *kept)


def rid_of_message(value: bytes) -> int:
    """Return whom a pending message is for."""
    return decode_long(value, SINGLE_OBJECT_BYTES)[0]


def context_of(value: bytes) -> bytes:
    """Return the context of a pending message."""
    _, _, event = _parts(value)
    return _context_and_rest(event)[0]


def send_of(
    frame: bytes, queue_id: tuple[int, int, int], partition: int, offset: int, value: bytes
) -> tuple[bytes, bytes]:
    """Return key and value of the send that a pending message becomes.

    The call's fields stand over the recipient's stored ones; the address is as first written.
    """
    orgid, mid, invocation = queue_id
    rid, recipient, event = _parts(value)
    context, rest = _context_and_rest(event)
    if recipient:
        rest = _over(unpack(recipient).stored, rest)
    send_id = b"%d:%d:%d" % (rid, partition, offset)
    body = (
        encode_bytes(send_id),
        encode_long(orgid),
        encode_long(mid),
        encode_long(invocation),
        encode_long(rid),
        encode_bytes(context),
    )
    return b"%d:#%d" % (orgid, rid), frame + b"".join(body) + rest


def check_profile(event: bytes, at: int) -> None:
    """Raise BadRecord unless the profile at *at* can be read, and ends the event."""
    body = BytesIO(event)
    body.seek(at)
    read(body, PROFILE)
    if body.tell() != len(event):
        raise BadRecord("TRAILING_BYTES", "bytes follow the end of the record")


def _parts(value: bytes) -> tuple[int, bytes, bytes]:
    rid, at = decode_long(value, SINGLE_OBJECT_BYTES)
    length, at = decode_long(value, at)
    recipient = value[at : at + length]
    length, at = decode_long(value, at + length)
    return rid, recipient, value[at : at + length]


def _context_and_rest(event: bytes) -> tuple[bytes, bytes]:
    """Return the context, and the address and profile as bytes."""
    body = BytesIO(event)
    body.seek(SINGLE_OBJECT_BYTES)
    head = read(body, _HEAD)
    return head["context"], event[body.tell() :]


def _over(stored: bytes, called: bytes) -> bytes:
    """Return the stored address and profile with the call's fields over the stored ones.

    But who opted out of SMS stays out: a trigger never re-subscribes.
    """
    length, at = decode_long(called, 0)
    call_profile = called[at + length :]
    if call_profile == EMPTY_PROFILE:
        return stored
    length, at = decode_long(stored, 0)
    merged = _profile(stored[at + length :])
    for name, field in _profile(call_profile).items():
        if name == "profileData" and field is not None:
            merged[name] = (merged[name] or {}) | field
        elif field is not None and not (name == "smsSubscribed" and merged[name] is False):
            merged[name] = field
    out = BytesIO()
    out.write(stored[: at + length])
    schemaless_writer(out, PROFILE, merged)
    return out.getvalue()


def _profile(data: bytes) -> dict[str, Any]:
    return read(BytesIO(data), PROFILE)
