"""The events of the log, decoded as far as the fold needs them."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.codec import Codec, Record, fields_until, read
from schemas.errors import BadRecord
from schemas.framing import SINGLE_OBJECT_BYTES, Framing, Writer, schema_text
from schemas.records import (
    MAILING_DEFINED,
    MAILING_INVOKED,
    MAILING_QUERIED,
    RECIPIENT_TRIGGERED,
    Status,
)
from schemas.topics import ACK_PARTITIONS, MAX_EVENT_BYTES, MAX_REQUEST_ID_CHARS
from streams.core.messages import EMPTY_PROFILE, PROFILE

if TYPE_CHECKING:
    from collections.abc import Mapping

_SINGLE_OBJECT = Codec()
_EVENT_FRAME = _SINGLE_OBJECT.framing.prefixes[RECIPIENT_TRIGGERED]
_MAX_ADDRESS_CHARS = 254
_STATUSES = frozenset(Status)


class Trigger(NamedTuple):
    """A RecipientTriggered event: the fields the fold needs, the rest as bytes.

    *event* is the event in single-object framing, *stored* its address and profile as Avro
    writes them.
    """

    orgid: int
    mid: int
    request_id: str
    entry: int
    reply_partition: int
    rid: int
    status: int
    context: bytes
    email: str
    event: bytes
    stored: bytes


class Control(NamedTuple):
    """A control or query event: which one, and its fields."""

    name: str
    fields: Record


class EventReader:
    """Decodes log records; knows the framing of every release and of the registry."""

    def __init__(self, framing: Framing) -> None:
        self.framing = framing
        self._codec = Codec(framing)
        self._heads: dict[bytes, tuple[Any, int]] = {}
        self.learn()

    def learn(self) -> None:
        """Look at the framing again: a registry may have told it of more schemas."""
        current = schema_text(RECIPIENT_TRIGGERED)
        self._heads = {
            frame: (fields_until(writer.schema, "email"), len(frame))
            for frame, writer in self.framing.writers.items()
            if writer.text == current
        }

    def read(self, value: bytes | None) -> Trigger | Control:
        """Return the event; BadRecord or UnknownFraming when it is none."""
        if value is None:
            raise BadRecord("EMPTY", "the record has no value")
        if len(value) > MAX_EVENT_BYTES:
            raise BadRecord("OVERSIZED", f"an event may have at most {MAX_EVENT_BYTES} bytes")
        head = self._heads.get(value[:SINGLE_OBJECT_BYTES]) or self._heads.get(value[:5])
        if head is not None:
            return self._trigger(value, *head)
        writer, _ = self.framing.split(value)
        return self._other(writer, value)

    def _other(self, writer: Writer, value: bytes) -> Trigger | Control:
        _, fields = self._codec.decode(value)
        if writer.name == RECIPIENT_TRIGGERED:
            # An old release's event, or one under another registry's text: brought up to date.
            return self.read(_SINGLE_OBJECT.encode(RECIPIENT_TRIGGERED, fields))
        if writer.name not in (MAILING_DEFINED, MAILING_INVOKED, MAILING_QUERIED):
            raise BadRecord("NOT_AN_EVENT", f"a {writer.name} does not belong on this topic")
        _check_call(fields)
        return Control(writer.name, fields)

    def _trigger(self, value: bytes, schema: Any, start: int) -> Trigger:
        body = BytesIO(value)
        body.seek(start)
        head = read(body, schema)
        _check_call(head)
        email = head["email"]
        if head["mid"] < 1 or head["rid"] < 0 or head["status"] not in _STATUSES:
            raise BadRecord("BAD_FIELD", "mid, rid or status is out of range")
        if not email.isprintable() or len(email) > _MAX_ADDRESS_CHARS:
            raise BadRecord("BAD_ADDRESS", "the address is too long or has control characters")
        profile_at = body.tell()
        # The fold carries the profile as bytes, so it must not carry what nobody can read later.
        if value[profile_at:] != EMPTY_PROFILE:
            read(body, PROFILE)
            if body.tell() != len(value):
                raise BadRecord("TRAILING_BYTES", "bytes follow the end of the record")
        octets = len(email) if email.isascii() else len(email.encode())
        # The length before the address takes one byte below 64 octets, else two.
        stored_at = profile_at - octets - (1 if octets < 64 else 2)
        event = value if start == SINGLE_OBJECT_BYTES else _EVENT_FRAME + value[start:]
        return Trigger(
            head["orgid"],
            head["mid"],
            head["request_id"],
            head["index"],
            head["reply_partition"],
            head["rid"],
            head["status"],
            head["context"],
            email,
            event,
            value[stored_at:],
        )


def _check_call(fields: Mapping[str, Any]) -> None:
    if not -1 <= fields["reply_partition"] < ACK_PARTITIONS:
        raise BadRecord("BAD_REPLY_PARTITION", f"replies have {ACK_PARTITIONS} partitions")
    if fields["orgid"] < 1 or fields["index"] < 0:
        raise BadRecord("BAD_FIELD", "orgid or index is out of range")
    if len(fields["request_id"]) > MAX_REQUEST_ID_CHARS:
        raise BadRecord("BAD_REQUEST_ID", f"at most {MAX_REQUEST_ID_CHARS} characters")
