"""Two kinds of values an entry can be made of: JSON text, cut but not read, and Python values."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from producers.contract import fields, json_body, json_scan
from producers.contract.errors import Code, Refused
from schemas.topics import MAX_CONTEXT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    import msgspec

V = TypeVar("V")

# In a body the context lies in an object in an array.
MAX_CONTEXT_DEPTH = json_body.MAX_DEPTH - 2


@dataclass(frozen=True, slots=True)
class Source(Generic[V]):
    """How to read a value of this kind: as itself, as a context, as profile data.

    *bounded* means that the size of the whole entry is checked before it is read.
    """

    load: Callable[[V], object]
    context: Callable[[V], bytes]
    profile_data: Callable[[V], Mapping[str, str] | None]
    bounded: bool


def _json_context(raw: bytes | msgspec.Raw) -> bytes:
    context = bytes(raw)
    return b"" if context == b"null" else _fitting(context)


def _json_profile_data(raw: bytes | msgspec.Raw) -> Mapping[str, str] | None:
    whole = bytes(raw)
    if whole == b"null":
        return None
    accepted: dict[str, str] = {}
    for name, raw_scalar in json_body.members(whole):
        scalar = bytes(raw_scalar)
        if scalar == b"null":
            continue
        if scalar[:1] in {b"{", b"["}:
            raise _nested(name)
        if scalar[:1] == b'"':
            fields.text(json_body.load(scalar))
        accepted[fields.text(name)] = scalar.decode()
    return accepted


def _value_context(value: object) -> bytes:
    if isinstance(value, bytes):
        return _json_text(value)
    try:
        context = _encode(value).encode()
    except RecursionError:
        raise Refused(Code.INVALID_CONTEXT, "the context is nested too deeply") from None
    except (TypeError, ValueError):  # Among them NaN, a cycle, half of a surrogate pair.
        raise Refused(Code.INVALID_CONTEXT, "the context is no JSON value") from None
    return b"" if value is None else _fitting(_not_too_deep(context))


def _json_text(context: bytes) -> bytes:
    """Accept JSON text as a body's context is accepted, to the byte."""
    _fitting(context)
    _not_too_deep(context)
    try:
        value = json_scan.value(context.decode())
    except ValueError:
        raise Refused(Code.INVALID_CONTEXT, "the context is no JSON text") from None
    return b"" if value == "null" else context


def _not_too_deep(context: bytes) -> bytes:
    if json_scan.deeper_than(context, MAX_CONTEXT_DEPTH):
        raise Refused(Code.INVALID_CONTEXT, "the context is nested too deeply")
    return context


def _fitting(context: bytes) -> bytes:
    if len(context) > MAX_CONTEXT_BYTES:
        detail = f"a context has at most {MAX_CONTEXT_BYTES} bytes"
        raise Refused(Code.CONTEXT_TOO_LARGE, detail)
    return context


def _value_profile_data(value: object) -> Mapping[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise Refused(Code.INVALID_TYPE, "an object is expected")
    accepted: dict[str, str] = {}
    for name, scalar in value.items():
        if scalar is None:
            continue
        fields.text(name)
        if isinstance(scalar, str):
            fields.text(scalar)
        elif not isinstance(scalar, int | float):
            raise _nested(name)
        elif not math.isfinite(scalar):
            raise Refused(Code.INVALID_VALUE, "NaN and Infinity are no JSON numbers")
        accepted[name] = _encode(scalar)
    return accepted


def _nested(name: str) -> Refused:
    return Refused(Code.INVALID_TYPE, f"the value of {fields.shown(name)} is not a scalar")


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _itself(value: object) -> object:
    return value


JSON_TEXT: Source[bytes | msgspec.Raw] = Source(
    json_body.load, _json_context, _json_profile_data, bounded=True
)
VALUES: Source[object] = Source(_itself, _value_context, _value_profile_data, bounded=False)
