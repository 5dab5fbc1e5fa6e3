"""The events of the log, decoded as far as the fold needs them."""

from __future__ import annotations

from typing import NamedTuple

from schemas.codec import Codec, Record
from schemas.errors import BadRecord
from schemas.framing import CONFLUENT_BYTES, SINGLE_OBJECT_BYTES, Framing, Writer, schema_text
from schemas.records import (
    CALL_BEGUN,
    DRY_RUN_QUERIED,
    MAILING_DEFINED,
    MAILING_INVOKED,
    MAILING_QUERIED,
    MAILING_SWITCHED,
    PENDING_QUERIED,
    RECIPIENT_CHANGED,
    RECIPIENT_ERASED,
    RECIPIENT_QUERIED,
    RECIPIENT_TRIGGERED,
    TRIGGERED_ONCE,
    Status,
)
from schemas.topics import (
    ACK_PARTITIONS,
    MAX_DRY_RUN_ENTRIES,
    MAX_EVENT_BYTES,
    MAX_REQUEST_ID_CHARS,
)
from schemas.varint import decode_long, decode_text, span_of
from streams.core.heads import Head, profile_is_sound, read_head
from streams.core.messages import check_profile

_SINGLE_OBJECT = Codec()
_EVENT_FRAME = _SINGLE_OBJECT.framing.prefixes[RECIPIENT_TRIGGERED]
_OF_A_MAILING = frozenset(
    {
        MAILING_DEFINED,
        MAILING_INVOKED,
        MAILING_QUERIED,
        MAILING_SWITCHED,
        PENDING_QUERIED,
        CALL_BEGUN,
    }
)
_MAX_ADDRESS_CHARS = 254
_MAX_INT = 2**31 - 1
# Below this many bytes, its length among them, a request's id has few enough characters.
_MAX_REQUEST_BYTES = MAX_REQUEST_ID_CHARS
_STATUSES = frozenset(map(int, Status))
_OF_A_RECIPIENT = frozenset({RECIPIENT_QUERIED, RECIPIENT_CHANGED, RECIPIENT_ERASED})
_SECRET_BYTES = 32


class Trigger(NamedTuple):
    """A RecipientTriggered event: the fields the fold needs, the rest as bytes.

    *event* is the event in single-object framing, *stored* its address and profile as Avro
    writes them.
    """

    head: Head
    event: bytes
    stored: bytes


class Once(NamedTuple):
    """A RecipientTriggeredOnce event: a trigger that counts once under its *call* and index."""

    trigger: Trigger
    call: int
    begun_at: int


class Control(NamedTuple):
    """Any other event: which one, and its fields."""

    name: str
    fields: Record

    @property
    def of_a_recipient(self) -> bool:
        """Whether it is about a recipient rather than a mailing."""
        return self.name in _OF_A_RECIPIENT


class EventReader:
    """Decodes log records; knows the framing of every release and of the registry."""

    def __init__(self, framing: Framing) -> None:
        self.framing = framing
        self._codec = Codec(framing)
        self._heads: dict[bytes, int] = {}
        self.learn()

    def learn(self) -> None:
        """Look at the framing again: a registry may have told it of more schemas."""
        current = schema_text(RECIPIENT_TRIGGERED)
        self._heads = {
            frame: len(frame)
            for frame, writer in self.framing.writers.items()
            if writer.text == current
        }

    def frame_of_trigger(self, value: bytes | None) -> int:
        """Return the length of the framing of a trigger of today's schema; 0: it is none."""
        if value is None:
            return 0
        return self._heads.get(value[:SINGLE_OBJECT_BYTES]) or self._heads.get(
            value[:CONFLUENT_BYTES], 0
        )

    def read(self, value: bytes | None) -> Trigger | Once | Control:
        """Return the event; BadRecord or UnknownFraming when it is none."""
        if value is None:
            raise BadRecord("EMPTY", "the record has no value")
        if len(value) > MAX_EVENT_BYTES:
            raise BadRecord("OVERSIZED", f"an event may have at most {MAX_EVENT_BYTES} bytes")
        if start := self.frame_of_trigger(value):
            return self._trigger(value, start)
        writer, start = self.framing.split(value)
        return self._other(writer, start, value)

    def _other(self, writer: Writer, start: int, value: bytes) -> Trigger | Once | Control:
        if writer.text == schema_text(TRIGGERED_ONCE):
            return self._once(value, start)
        _, fields = self._codec.decode(value)
        if writer.name in (RECIPIENT_TRIGGERED, TRIGGERED_ONCE):
            # An old release's event, or one under another registry's text: brought up to date.
            return self.read(_SINGLE_OBJECT.encode(writer.name, fields))
        if writer.name in _OF_A_RECIPIENT:
            status = fields.get("status", Status.NOT_GIVEN)
            _check_recipient(fields["rid"], status, fields["email"])
            if len(fields.get("secret", bytes(_SECRET_BYTES))) != _SECRET_BYTES:
                raise BadRecord("BAD_FIELD", f"a secret has {_SECRET_BYTES} bytes")
        elif writer.name == DRY_RUN_QUERIED:
            _check_dry_run(fields)
        elif writer.name not in _OF_A_MAILING:
            raise BadRecord("NOT_AN_EVENT", f"a {writer.name} does not belong on this topic")
        _check_call(fields["orgid"], fields["index"], fields["reply_partition"])
        _check_request_id(fields["request_id"])
        return Control(writer.name, fields)

    def _once(self, value: bytes, start: int) -> Once:
        """Take the two fields out that make the event another one than a trigger."""
        try:
            _, at = decode_long(value, start)
            _, at = decode_long(value, at)
            _, at = span_of(value, at)
            _, at = decode_long(value, at)
            _, shared_end = decode_long(value, at)
            call, at = decode_long(value, shared_end)
            begun_at, at = decode_long(value, at)
        except (IndexError, ValueError) as exc:
            raise BadRecord("TRUNCATED", "the record's bytes do not follow its schema") from exc
        plain = _EVENT_FRAME + value[start:shared_end] + value[at:]
        return Once(self._trigger(plain, SINGLE_OBJECT_BYTES), call, begun_at)

    def _trigger(self, value: bytes, start: int) -> Trigger:
        if start != SINGLE_OBJECT_BYTES:
            value = _EVENT_FRAME + value[start:]
        head = read_head(value, SINGLE_OBJECT_BYTES)
        orgid, mid, request, entry, reply_partition, rid, status, _, email, stored_at, at = head
        if len(request) > _MAX_REQUEST_BYTES:
            _check_request_id(decode_text(request))
        _check_call(orgid, entry, reply_partition)
        if mid < 1:
            raise BadRecord("BAD_FIELD", "mid is out of range")
        _check_recipient(rid, status, email)
        # The fold carries the profile as bytes, so it must not carry what nobody can read later.
        if not profile_is_sound(value, at):
            check_profile(value, at)
        return Trigger(head, value, value[stored_at:])


def _check_dry_run(fields: Record) -> None:
    if fields["mid"] < 1:
        raise BadRecord("BAD_FIELD", "mid is out of range")
    if len(fields["entries"]) > MAX_DRY_RUN_ENTRIES:
        raise BadRecord("TOO_MANY", f"at most {MAX_DRY_RUN_ENTRIES} entries an event")
    for entry in fields["entries"]:
        if not 0 <= entry["index"] <= _MAX_INT:
            raise BadRecord("BAD_FIELD", "index is out of range")
        _check_recipient(entry["rid"], entry["status"], entry["email"])


def _check_recipient(rid: int, status: int, email: str) -> None:
    if rid < 0 or status not in _STATUSES:
        raise BadRecord("BAD_FIELD", "rid or status is out of range")
    if not email.isprintable() or len(email) > _MAX_ADDRESS_CHARS:
        raise BadRecord("BAD_ADDRESS", "the address is too long or has control characters")


def _check_call(orgid: int, entry: int, reply_partition: int) -> None:
    if not -1 <= reply_partition < ACK_PARTITIONS:
        raise BadRecord("BAD_REPLY_PARTITION", f"replies have {ACK_PARTITIONS} partitions")
    if orgid < 1 or not 0 <= entry <= _MAX_INT:
        raise BadRecord("BAD_FIELD", "orgid or index is out of range")


def _check_request_id(request_id: str) -> None:
    if len(request_id) > MAX_REQUEST_ID_CHARS:
        raise BadRecord("BAD_REQUEST_ID", f"at most {MAX_REQUEST_ID_CHARS} characters")
