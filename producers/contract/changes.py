"""What a change of a recipient says: who is meant, and the fields that are given.

The fields are those of a trigger's entry, by the same rules; only a context has no place here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

from producers.contract import form_body, json_body, media
from producers.contract.errors import Code, EntryError, Refused
from producers.contract.reading import MAX_ENTRY_BYTES, Reading, address_of, too_large
from producers.contract.recipients import text_of
from producers.contract.sources import JSON_TEXT, VALUES
from schemas.ids import identity

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import msgspec

    from producers.contract.reading import Said


class Who(NamedTuple):
    """A recipient as a caller names it, by *rid* or by *email*, or so far not at all."""

    rid: int | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be changed of whom; *status* None and an absent field stay as they are."""

    who: Who
    status: int | None
    profile: Mapping[str, object]


Result = tuple[Change | None, tuple[EntryError, ...]]
"""A change, or what is wrong with it."""


def read_change(body: bytes, *, content_type: str | None, who: Who) -> Result:
    """Return what *body* says of the recipient that the query names; ContractError as a whole."""
    kind = media.kind_of(content_type)
    body = text_of(body)
    reading = Reading()
    try:
        if kind is media.Kind.FORM:
            said = reading.read(0, form_body.members(body), VALUES)
        else:
            said = reading.read(0, _object(body), JSON_TEXT)
        return _result(reading, said, who)
    except Refused as refused:
        reading.refuse(0, refused)
        return None, tuple(reading.errors)


def change_of(fields: Mapping[str, object], who: Who) -> Result:
    """Return the change that *fields* are, by the rules of a body, on Python values."""
    reading = Reading()
    try:
        said = reading.read(0, ((str(name), value) for name, value in fields.items()), VALUES)
        return _result(reading, said, who)
    except Refused as refused:
        reading.refuse(0, refused)
        return None, tuple(reading.errors)


def _object(body: bytes) -> Collection[tuple[str, bytes | msgspec.Raw]]:
    split = json_body.split(body)
    if len(split.entries) != 1 or not split.entries[0].startswith(b"{"):
        raise Refused(Code.INVALID_ENTRY, "a recipient is one object")
    if split.not_finite:
        detail = "NaN and Infinity are no JSON numbers"
        raise Refused(Code.INVALID_VALUE, detail, field=split.not_finite[0])
    if len(split.entries[0]) > MAX_ENTRY_BYTES:
        raise too_large()
    return json_body.members(split.entries[0])


def _result(reading: Reading, said: Said | None, who: Who) -> Result:
    if said is None:
        return None, tuple(reading.errors)
    if said.context:
        detail = "a context belongs to a message, not to a recipient"
        raise Refused(Code.UNKNOWN_FIELD, detail, field="context")
    rid = cast("int | None", said.who.get("rid"))
    email = address_of(said.who)
    if rid is not None and who.rid is not None and rid != who.rid:
        raise Refused(Code.INVALID_RID, "the query names another rid", field="rid")
    if email is not None and who.email is not None and identity(email) != identity(who.email):
        raise address_fixed()
    meant = Who(rid if who.rid is None else who.rid, email if who.email is None else who.email)
    if meant == Who():
        detail = "a recipient is named by its rid or by its address"
        raise Refused(Code.MISSING_EMAIL, detail, field="email")
    return Change(meant, cast("int | None", said.who.get("status")), said.profile), ()


def address_fixed() -> Refused:
    """Return why an address cannot be changed, and what can be done instead."""
    detail = "the address of a recipient never changes: create another, and unsubscribe this one"
    return Refused(Code.ADDRESS_FIXED, detail, field="email")
