"""The entries of a trigger call as events of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from producers.contract.entries import KnownEntry
from schemas.codec import current_schema, fields_after
from schemas.records import RECIPIENT_TRIGGERED, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from producers.contract.entries import Entry
    from schemas.codec import Codec

NO_REPLY = -1

_ABSENT = b"\x00"
_PRESENT = b"\x02"


class EventWriter:
    """Writes the entries of one call; what they share is written once."""

    def __init__(
        self, codec: Codec, *, orgid: int, mid: int, request_id: str, reply_partition: int
    ) -> None:
        self._shared: dict[str, object] = {
            "orgid": orgid,
            "mid": mid,
            "request_id": request_id,
            "reply_partition": reply_partition,
        }
        self._codec = codec
        self._head = (
            codec.framing.prefixes[RECIPIENT_TRIGGERED]
            + _long(orgid)
            + _long(mid)
            + _string(request_id)
        )
        self._reply = _long(reply_partition)

    def encode_plain(self, entry: Entry) -> bytes:
        """Return the event as the codec writes it; what `encode` must equal."""
        known = isinstance(entry, KnownEntry)
        return self._codec.encode(
            RECIPIENT_TRIGGERED,
            {
                **self._shared,
                "index": entry.index,
                "rid": entry.rid if isinstance(entry, KnownEntry) else 0,
                "status": Status.NOT_GIVEN if known else _status(entry),
                "context": entry.context,
                "email": entry.email or "",
                **entry.fields,
            },
        )

    def encode(self, entry: Entry) -> bytes:
        """Return the event; a fast path beside `encode_plain`, 2-4 us against 20 us."""
        if isinstance(entry, KnownEntry):
            rid, status = _long(entry.rid), _long(Status.NOT_GIVEN)
        else:
            rid, status = _long(0), _long(_status(entry))
        context = entry.context
        parts = [
            self._head,
            _long(entry.index),
            self._reply,
            rid,
            status,
            _long(len(context)),
            context,
            _string(entry.email or ""),
        ]
        fields = entry.fields
        if fields:
            for name, write in _PROFILE:
                value = fields.get(name)
                parts.append(_ABSENT if value is None else _PRESENT + write(value))
        else:
            parts.append(_NO_PROFILE)
        return b"".join(parts)


def _status(entry: Entry) -> int:
    status = cast("int | None", getattr(entry, "status", None))
    return Status.NOT_GIVEN if status is None else status


def _long(number: int) -> bytes:
    if -_SMALL <= number < _SMALL:
        return _SHORT[number]
    return _varint(number)


def _varint(number: int) -> bytes:
    rest = (number << 1) ^ (number >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def _string(text: str) -> bytes:
    encoded = text.encode()
    return _long(len(encoded)) + encoded


def _boolean(value: bool) -> bytes:
    return b"\x01" if value else b"\x00"


def _map(values: Mapping[str, str]) -> bytes:
    if not values:
        return _ABSENT
    pairs = b"".join(_string(name) + _string(value) for name, value in values.items())
    return _long(len(values)) + pairs + _ABSENT


_SMALL = 1024
# Negative numbers from the end, as Python indexes a list: one look-up for both signs.
_SHORT = [_varint(n) for n in (*range(_SMALL), *range(-_SMALL, 0))]

_WRITERS: dict[str, Callable[[Any], bytes]] = {
    "string": _string,
    "int": _long,
    "boolean": _boolean,
    "map": _map,
}


def _writer(field: Mapping[str, Any]) -> tuple[str, Callable[[Any], bytes]]:
    _, kind = field["type"]
    return field["name"], _WRITERS[kind["type"] if isinstance(kind, dict) else kind]


_PROFILE = [
    _writer(field) for field in fields_after(current_schema(RECIPIENT_TRIGGERED), "email")["fields"]
]
_NO_PROFILE = _ABSENT * len(_PROFILE)
