"""The profile of an event, which is what follows its address: written by hand.

All its fields are optional, so each is a part of its own: absent, or present and its value.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from schemas.codec import current_schema, fields_after, read
from schemas.records import RECIPIENT_TRIGGERED
from schemas.varint import encode_bytes, encode_long

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SCHEMA: Final[dict[str, Any]] = fields_after(current_schema(RECIPIENT_TRIGGERED), "email")
ABSENT: Final = b"\x00"
_PRESENT: Final = b"\x02"
# Lengths below are looked up: one concatenation less for each text.
_SHORT: Final = 256
_HEADS: Final = [_PRESENT + encode_long(size) for size in range(_SHORT)]

NO_PARTS: Final = [ABSENT] * len(_SCHEMA["fields"])
"""The parts of a profile without any field."""
PLACES: Final[dict[str, int]] = {
    field["name"]: place for place, field in enumerate(_SCHEMA["fields"])
}
"""Where a field stands among the parts."""

NO_PROFILE: Final = b"".join(NO_PARTS)


def text_part(text: bytes) -> bytes:
    """Return the part of a field whose value is *text*, in UTF-8."""
    size = len(text)
    return (_HEADS[size] if size < _SHORT else _PRESENT + encode_long(size)) + text


def write_profile(fields: Mapping[str, object]) -> bytes:
    """Return *fields*, by name, as a profile; None is absent."""
    parts = NO_PARTS.copy()
    for name, value in fields.items():
        place = PLACES[name]
        if isinstance(value, str):
            parts[place] = text_part(value.encode())
        elif value is not None:
            parts[place] = _PRESENT + _WRITERS[place](value)
    return b"".join(parts)


def read_profile(profile: bytes) -> dict[str, object]:
    """Return the fields that are present in *profile*, by name."""
    fields = read(BytesIO(profile), _SCHEMA)
    return {name: value for name, value in fields.items() if value is not None}


def _string(text: str) -> bytes:
    return encode_bytes(text.encode())


def _boolean(value: bool) -> bytes:
    return b"\x01" if value else b"\x00"


def _map(values: Mapping[str, str]) -> bytes:
    if not values:
        return b"\x00"
    pairs = b"".join([_string(name) + _string(value) for name, value in values.items()])
    return encode_long(len(values)) + pairs + b"\x00"


_BY_TYPE: Final[dict[str, Callable[[Any], bytes]]] = {
    "string": _string,
    "int": encode_long,
    "boolean": _boolean,
    "map": _map,
}


def _writer(field: Mapping[str, Any]) -> Callable[[Any], bytes]:
    _, kind = field["type"]
    return _BY_TYPE[kind["type"] if isinstance(kind, dict) else kind]


_WRITERS: Final = [_writer(field) for field in _SCHEMA["fields"]]
