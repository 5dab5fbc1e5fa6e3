"""From the three forms a recipient may have to the entries of a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from producers.contract import form_body, json_body, media
from producers.contract.entries import Entry, KnownEntry, OnTheFlyEntry, TriggerCall
from producers.contract.errors import Code, ContractError, EntryError, Refused
from producers.contract.reading import MAX_ENTRY_BYTES, Reading, too_large
from producers.contract.sources import JSON_TEXT, VALUES
from producers.contract.usual import read_usual
from schemas.topics import MAX_BODY_BYTES, MAX_ENTRIES, MIB

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ContractError",
    "Entry",
    "EntryError",
    "KnownEntry",
    "OnTheFlyEntry",
    "TriggerCall",
    "read_call",
    "read_recipients",
]

_BOM = b"\xef\xbb\xbf"


def read_call(body: bytes, *, content_type: str | None) -> TriggerCall:
    """Return what *body* says; raise ContractError when it cannot be read as a whole."""
    kind = media.kind_of(content_type)
    body = text_of(body)
    return _read_form(body) if kind is media.Kind.FORM else _read_json(body)


def text_of(body: bytes) -> bytes:
    """Return *body* without a byte order mark; ContractError when it is too long or not UTF-8."""
    if len(body) > MAX_BODY_BYTES:
        detail = f"a body has at most {MAX_BODY_BYTES // MIB} MiB"
        raise ContractError(413, Code.BODY_TOO_LARGE, detail)
    body = body.removeprefix(_BOM)
    if not body.isascii():
        _check_utf8(body)
    return body


def read_recipients(recipients: Iterable[int | Mapping[str, object]]) -> TriggerCall:
    """Return the call that *recipients* make, by the rules of a body, on Python values.

    A `context` may be any JSON value, or bytes: JSON text that is handed on unchanged.
    """
    reading = Reading()
    size = 0
    for index, recipient in enumerate(recipients):
        size += 1
        if size > MAX_ENTRIES:
            raise json_body.too_many()
        try:
            if isinstance(recipient, Mapping):
                named = ((str(name), value) for name, value in recipient.items())
                reading.add(index, named, VALUES)
            else:
                reading.add_rid(index, recipient)
        except Refused as refused:
            reading.refuse(index, refused)
    return reading.call(size)


def _check_utf8(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as exc:
        detail = f"the body is not UTF-8 (byte {exc.start})"
        raise ContractError(400, Code.MALFORMED_TEXT, detail) from None


def _read_json(body: bytes) -> TriggerCall:
    reading = Reading()
    split = json_body.split(body)
    for index, entry in enumerate(split.entries):
        try:
            if index in split.not_finite:
                detail = "NaN and Infinity are no JSON numbers"
                raise Refused(Code.INVALID_VALUE, detail, field=split.not_finite[index])  # noqa: TRY301
            if entry[0] == ord("{"):
                if len(entry) > MAX_ENTRY_BYTES:
                    raise too_large()
                usual = read_usual(index, entry)
                if usual is not None:
                    reading.entries.append(usual)
                else:
                    read_plainly(reading, index, entry)
            elif entry[:1] in {b"[", b"n"}:
                raise Refused(Code.INVALID_ENTRY, "a recipient is a rid or an object")  # noqa: TRY301
            else:
                reading.add_rid(index, json_body.load(entry))
        except Refused as refused:
            reading.refuse(index, refused)
    return reading.call(len(split.entries))


def read_plainly(reading: Reading, index: int, entry: bytes) -> None:
    """Read any object; what `read_usual` must equal where it says something."""
    reading.add(index, json_body.members(entry), JSON_TEXT)


def _read_form(body: bytes) -> TriggerCall:
    reading = Reading()
    try:
        reading.add(0, form_body.members(body), VALUES)
    except Refused as refused:
        reading.refuse(0, refused)
    return reading.call(1)
