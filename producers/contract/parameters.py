"""The query of a call: which organisation, which mailing or recipient, which form of answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from producers.contract import fields
from producers.contract.errors import Code, ContractError, Refused
from producers.contract.formats import AnswerFormat

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

MAX_ID = 2**53 - 1

_ID = re.compile("0*[1-9][0-9]{0,15}")
_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class CallParameters:
    """What the query of a call says."""

    orgid: int
    mid: int
    format: AnswerFormat
    dry_run: bool


@dataclass(frozen=True, slots=True)
class RecipientParameters:
    """What the query of a call about one recipient says: at most one of *rid* and *email*."""

    orgid: int
    rid: int | None
    email: str | None


@lru_cache(maxsize=256)  # a caller sends the same query again and again: 0.1 us against 15 us
def read_parameters(query: str, *, suffix: str | None = None) -> CallParameters:
    """Return what the raw *query* says, or raise ContractError (400).

    *suffix* is what follows the dot of the path (`json`, `xml`, `csv`), if anything.
    """
    given = given_in(query, {"orgid", "mid", "format", "dryrun"})
    return CallParameters(
        orgid=id_of(given, "orgid"),
        mid=id_of(given, "mid"),
        format=format_of(given, suffix),
        dry_run=flag_in(given.get("dryrun", "false"), "dryrun"),
    )


def read_recipient_parameters(query: str) -> RecipientParameters:
    """Return what the raw *query* of a call about one recipient says; ContractError (400)."""
    given = given_in(query, {"orgid", "rid", "email", "format"})
    if format_of(given, None) is not AnswerFormat.JSON:
        raise ContractError(400, Code.INVALID_PARAMETER, "a recipient is answered in json only")
    orgid = id_of(given, "orgid")
    if "rid" in given and "email" in given:
        raise ContractError(400, Code.INVALID_PARAMETER, "a recipient is named by rid or by email")
    rid = id_of(given, "rid") if "rid" in given else None
    return RecipientParameters(orgid, rid, _email(given))


def read_format(query: str) -> AnswerFormat:
    """Return the form of answer that a query of nothing else asks for, or raise ContractError."""
    return format_of(given_in(query, {"format"}), None)


def given_in(query: str, allowed: Collection[str]) -> dict[str, str]:
    """Return the parameters of the raw *query*, each one of *allowed* and there once."""
    given: dict[str, str] = {}
    for name, value in _pairs(query):
        if name not in allowed:
            raise ContractError(400, Code.UNKNOWN_PARAMETER, f"unknown parameter {_shown(name)}")
        if name in given:
            raise ContractError(400, Code.REPEATED_PARAMETER, f"{name} is given twice")
        given[name] = value
    return given


def _pairs(query: str) -> list[tuple[str, str]]:
    if _BAD_ESCAPE.search(query):
        detail = "a percent sign is not followed by two hexadecimal digits"
        raise ContractError(400, Code.INVALID_PARAMETER, detail)
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        detail = "the query is not UTF-8"
        raise ContractError(400, Code.INVALID_PARAMETER, detail) from None


def id_of(given: Mapping[str, str], name: str) -> int:
    """Return the number *name*, of an organisation or a mailing."""
    digits = given.get(name)
    if digits is None:
        raise ContractError(400, Code.MISSING_PARAMETER, f"{name} is missing")
    if _ID.fullmatch(digits) is None or int(digits[-16:]) > MAX_ID:
        detail = f"{name} is a whole number from 1 to {MAX_ID}"
        raise ContractError(400, Code.INVALID_PARAMETER, detail)
    return int(digits[-16:])


def flag_in(text: str, name: str) -> bool:
    """Return what *text* says, the value of the parameter *name*."""
    if text not in {"true", "false"}:
        raise ContractError(400, Code.INVALID_PARAMETER, f"{name} is true or false")
    return text == "true"


def _email(given: dict[str, str]) -> str | None:
    if "email" not in given:
        return None
    try:
        return fields.email(given["email"])
    except Refused as refused:
        # A plus sign that was not escaped is a space by now.
        detail = f"email, in which a plus sign is written %2B: {refused.detail}"
        raise ContractError(400, Code.INVALID_PARAMETER, detail) from None


def format_of(given: Mapping[str, str], suffix: str | None) -> AnswerFormat:
    """Return the form of answer that is asked for, by the path or by `format`."""
    wanted = given.get("format", suffix or AnswerFormat.JSON.value)
    if wanted not in set(AnswerFormat):
        detail = f"format is one of {', '.join(AnswerFormat)}"
        raise ContractError(400, Code.INVALID_PARAMETER, detail)
    if suffix is not None and wanted != suffix:
        detail = f"format={wanted} contradicts the suffix .{suffix}"
        raise ContractError(400, Code.INVALID_PARAMETER, detail)
    return AnswerFormat(wanted)


def _shown(name: str) -> str:
    return ascii(name[:40])
