"""From the bytes of a JSON body to the bytes of its entries, and from those to their members."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from producers.contract import json5_text, json_scan
from producers.contract.errors import Code, ContractError, Refused
from schemas.topics import KIB, MAX_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

MAX_DEPTH = 64
MAX_JSON5_BYTES = 64 * KIB

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")

_any_value = msgspec.json.Decoder()
_whole_text = msgspec.json.Decoder(msgspec.Raw)
_array = msgspec.json.Decoder(list[msgspec.Raw])
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class JsonBody:
    """The JSON text of each entry; *not_finite* names entries where JSON5 said NaN or Infinity."""

    entries: Sequence[bytes]
    not_finite: Mapping[int, str | None] = field(default_factory=dict)


def split(body: bytes) -> JsonBody:
    """Return the entries of a body that is valid UTF-8; a body that is no array is one entry."""
    if not body.strip():
        raise ContractError(400, Code.MALFORMED_BODY, "the body is empty")
    if json_scan.deeper_than(body, MAX_DEPTH):
        if len(body) > MAX_JSON5_BYTES:
            raise _too_deep()
        # Perhaps not as JSON5, where brackets in comments and 'strings' do not count.
        return _split_json5(body, "nested too deeply")
    try:
        return JsonBody(_split_strictly(body))
    except ValueError as exc:
        cause = str(exc)
    if len(body) > MAX_JSON5_BYTES:
        raise ContractError(
            400,
            Code.MALFORMED_BODY,
            f"the body is not JSON ({cause}), and too long to be read as JSON5 (64 KiB)",
        )
    return _split_json5(body, cause)


def _split_json5(body: bytes, cause: str) -> JsonBody:
    try:
        written = json5_text.to_json(body.decode(), max_depth=MAX_DEPTH)
        return JsonBody(_split_strictly(written.text), written.not_finite)
    except json5_text.TooDeep as exc:
        raise _too_deep() from exc
    except ValueError as exc:
        detail = f"the body is neither JSON ({cause}) nor JSON5 ({exc})"
        raise ContractError(400, Code.MALFORMED_BODY, detail) from exc


def _too_deep() -> ContractError:
    detail = f"the body is nested deeper than {MAX_DEPTH}"
    return ContractError(400, Code.TOO_DEEP, detail)


def too_many() -> ContractError:
    detail = f"a call has at most {MAX_ENTRIES} entries"
    return ContractError(413, Code.TOO_MANY_ENTRIES, detail)


def _split_strictly(body: bytes) -> Sequence[bytes]:
    is_array = body.lstrip(b" \t\r\n").startswith(b"[")
    if is_array and body.count(b",") >= MAX_ENTRIES and json_scan.count_items(body) > MAX_ENTRIES:
        raise too_many()
    try:
        if is_array:
            return list(map(bytes, _array.decode(body)))
        return (bytes(_whole_text.decode(body)),)
    except msgspec.DecodeError:
        if not _SURROGATE_ESCAPE.search(body):
            raise
    text = body.decode()
    cut = json_scan.items(text) if is_array else [json_scan.value(text)]
    return [item.encode() for item in cut]


def members(entry: bytes) -> Collection[tuple[str, bytes | msgspec.Raw]]:
    """Return name and text of each member of the object *entry*; refuse a name that is doubled."""
    try:
        found = _object.decode(entry)
    except msgspec.ValidationError as exc:
        raise Refused(Code.INVALID_TYPE, "an object is expected") from exc
    except msgspec.DecodeError:
        found = None
    # Every member has a colon, so as many colons as names means that none was overwritten.
    if found is not None and _colons(entry, found):
        return found.items()
    pairs = json_scan.members(entry.decode())
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise Refused(Code.REPEATED_FIELD, "the field stands twice", field=name)
        seen.add(name)
    return [(name, text.encode()) for name, text in pairs]


def _colons(entry: bytes, found: Mapping[str, msgspec.Raw]) -> bool:
    count = entry.count(b":") - len(found)
    return count == 0 or count == b"".join(found.values()).count(b":")


def load(text: bytes | msgspec.Raw) -> object:
    """Return the value of JSON *text* that is known to be well-formed."""
    try:
        return _any_value.decode(text)
    except msgspec.ValidationError as exc:
        raise Refused(Code.INVALID_VALUE, "the number is out of range") from exc
    except msgspec.DecodeError as exc:
        raise Refused(Code.INVALID_CHARACTER, "half of a surrogate pair is no character") from exc
