"""The fields of a recipient, in one table: names, and what a value has to be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from producers.contract.address import read_address
from producers.contract.errors import Code, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_RID = 2**53 - 1
MAX_SHOWN = 80

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_COUNTRY = re.compile("[A-Za-z]{2}")
_LANGUAGE = re.compile("[A-Za-z]{3}")
_NUMBER_PUNCTUATION = str.maketrans("", "", " .-()")
_E164 = re.compile(r"\+[0-9]{8,15}")


_STATUS_NAMES = {"unsubscribed": 0, "subscribed": 1, "external": 3}  # 2 was never given out
_CONTENT_TYPE_NAMES = {"text/html": 1, "text/plain": 2, "multipart/alternative": 3}


def text(value: object) -> str:
    """Accept a string without control characters and halves of surrogate pairs."""
    if not isinstance(value, str):
        raise Refused(Code.INVALID_TYPE, "a string is expected")
    # `isprintable` refuses more (spaces other than the plain one), and costs a tenth.
    if not value.isprintable() and _CONTROL.search(value):
        detail = "control characters and halves of surrogate pairs are not accepted"
        raise Refused(Code.INVALID_CHARACTER, detail)
    return value


def rid(value: object) -> int:
    """Accept a positive integer; beyond 2^53 there is no recipient, whoever asks."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Refused(Code.INVALID_RID, "a rid is a positive integer")
    if value > MAX_RID:
        raise Refused(Code.UNKNOWN_RECIPIENT, "no such recipient")
    return int(value)


def email(value: object) -> str:
    return read_address(text(value))


def stripped(value: object) -> str:
    return text(value).strip()


def flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Refused(Code.INVALID_TYPE, "true or false is expected")
    return value


def birth_date(value: object) -> str:
    try:
        return date.fromisoformat(text(value)).isoformat()
    except ValueError:
        raise Refused(Code.INVALID_VALUE, "an ISO 8601 date is expected") from None


def country(value: object) -> str:
    if not _COUNTRY.fullmatch(text(value)):
        raise Refused(Code.INVALID_VALUE, "a country code has two letters (ISO 3166-1 alpha-2)")
    return str(value).upper()


def language(value: object) -> str:
    if not _LANGUAGE.fullmatch(text(value)):
        raise Refused(Code.INVALID_VALUE, "a language code has three letters (ISO 639)")
    return str(value).lower()


def sms_number(value: object) -> str:
    number = text(value).translate(_NUMBER_PUNCTUATION)
    if not _E164.fullmatch(number):
        raise Refused(Code.INVALID_VALUE, "an E.164 number is expected: + and 8 to 15 digits")
    return number


def status(value: object) -> int:
    return _choice(value, _STATUS_NAMES)


def content_type(value: object) -> int:
    return _choice(value, _CONTENT_TYPE_NAMES)


def _choice(value: object, names: dict[str, int]) -> int:
    if isinstance(value, str):
        number = names.get(text(value).lower())
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value if value in names.values() else None
    else:
        raise Refused(Code.INVALID_TYPE, "a number or a name is expected")
    if number is None:
        choices = ", ".join(f"{number} {name}" for name, number in names.items())
        raise Refused(Code.INVALID_VALUE, f"the choices are: {choices}")
    return int(number)


@dataclass(frozen=True, slots=True)
class Field:
    """A known field; *accept* None means that its value is read elsewhere, or not at all.

    *profile* fields travel with the recipient's message; the others say who it is.
    """

    name: str
    accept: Callable[[object], object] | None
    profile: bool = True


CONTEXT = Field("context", None, profile=False)
PROFILE_DATA = Field("profileData", None)

_TEXTS = (
    "firstName",
    "lastName",
    "gender",
    "address1",
    "address2",
    "city",
    "region",
    "postalCode",
    "phone1",
    "phone2",
)

_ALL = (
    CONTEXT,
    PROFILE_DATA,
    Field("rid", rid, profile=False),
    Field("status", status, profile=False),
    Field("email", email, profile=False),
    Field("localPart", stripped, profile=False),
    Field("domainName", stripped, profile=False),
    *(Field(name, text) for name in _TEXTS),
    Field("birthDate", birth_date),
    Field("countryCode", country),
    Field("languageCode", language),
    Field("contentType", content_type),
    Field("smsContact", sms_number),
    Field("smsSubscribed", flag),
    # Callers send back what they have read.
    Field("createdDate", None, profile=False),
    Field("modifiedDate", None, profile=False),
)
SHAPED_TEXTS = ("birthDate", "countryCode", "languageCode", "smsContact")
"""Fields of a profile that are strings of a certain shape."""
PROFILE_TEXTS = (*_TEXTS, *SHAPED_TEXTS)
"""Fields of a profile that are strings."""

_BY_NAME = {field.name: field for field in _ALL}
_BY_LOWER_NAME = {field.name.lower(): field for field in _ALL}


def find(name: str) -> Field | None:
    """Return the field called *name* in any case."""
    return _BY_NAME.get(name) or (_BY_LOWER_NAME.get(name.lower()) if name.isascii() else None)


def accepting(name: str) -> Callable[[object], object]:
    """Return what accepts a value of the field *name*."""
    accept = _BY_NAME[name].accept
    assert accept is not None, name  # noqa: S101 - asked for fields that have one
    return accept


def shown(name: str) -> str:
    """Return a caller's *name* fit for an answer: short, and without what is no text."""
    head = name if len(name) <= MAX_SHOWN else name[:MAX_SHOWN] + "…"
    return _CONTROL.sub("�", head)
