"""The body that defines a mailing."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from producers.bridge.problems import Problem
from producers.contract import json_body
from producers.contract.errors import Code, ContractError, EntryError, Refused
from producers.control import DEFAULT_INTERVAL_S, MAX_NAME_CHARS, MAX_TYPE_CHARS
from schemas.caps import MAX_HOURLY_CAP
from schemas.records import (
    API_TRIGGERED,
    Channel,
    DedupPolicy,
    MailingPhase,
    UnknownRecipients,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

MAX_INTERVAL_S = 24 * 60 * 60

DEDUP = {
    "recipient+context": DedupPolicy.RECIPIENT_CONTEXT,
    "recipient": DedupPolicy.RECIPIENT,
    "none": DedupPolicy.NONE,
}
DEDUP_NAMES = {policy: name for name, policy in DEDUP.items()}
CHANNELS = {channel.lower(): channel for channel in Channel}
UNKNOWN_RECIPIENTS = {rule.lower(): rule for rule in UnknownRecipients}
# The others come by calls of their own.
STATES = {state.lower(): state for state in (MailingPhase.CREATED, MailingPhase.ACTIVE)}


@dataclass(frozen=True, slots=True)
class Definition:
    """What a mailing is to be.

    *interval_s* 0 means: invoked on request only; *hourly_cap* 0: any number of messages; *state*
    None: active when it is new, else as it was.
    """

    name: str
    type: str = API_TRIGGERED
    dedup: DedupPolicy = DedupPolicy.RECIPIENT_CONTEXT
    interval_s: int = DEFAULT_INTERVAL_S
    channels: tuple[Channel, ...] = (Channel.EMAIL,)
    unknown_recipients: UnknownRecipients = UnknownRecipients.CREATE
    hourly_cap: int = 0
    state: MailingPhase | None = None


def read_definition(body: bytes) -> Definition:
    """Return what *body* says, JSON or JSON5; a 400 as for a trigger, a 422 that names fields."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as exc:
        detail = f"the body is not UTF-8 (byte {exc.start})"
        raise ContractError(400, Code.MALFORMED_TEXT, detail) from None
    entries = json_body.split(body.removeprefix(b"\xef\xbb\xbf")).entries
    if len(entries) != 1 or not entries[0].startswith(b"{"):
        raise _problem([EntryError(0, None, Code.INVALID_ENTRY, "a mailing is one object")])
    given: dict[str, object] = {}
    errors: list[EntryError] = []
    try:
        for name, text in json_body.members(entries[0]):
            try:
                _take(given, name, json_body.load(text))
            except Refused as refused:
                errors.append(EntryError(0, name[:40], refused.code, refused.detail))
    except Refused as refused:
        errors.append(EntryError(0, refused.field, refused.code, refused.detail))
    if "name" not in given and not errors:
        errors.append(EntryError(0, "name", Code.INVALID_VALUE, "a mailing has a name"))
    if errors:
        raise _problem(errors)
    return Definition(**given)  # type: ignore[arg-type]


def _take(given: dict[str, object], name: str, value: object) -> None:
    field = _FIELDS.get(name.lower())
    if field is None:
        names = ", ".join(_NAMES)
        raise Refused(Code.UNKNOWN_FIELD, f"a mailing has {names}")
    key, read = field
    if key in given:
        raise Refused(Code.REPEATED_FIELD, "the field stands twice")
    if isinstance(value, float) and value.is_integer():
        # 60.0 is a whole number in JSON, and what some programs make of 60.
        value = int(value)
    if value is not None:
        given[key] = read(value)


def _text(value: object, *, longest: int) -> str:
    if not isinstance(value, str) or not 1 <= len(value.strip()) <= longest:
        raise Refused(Code.INVALID_VALUE, f"a text of 1 to {longest} characters is expected")
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in value):
        raise Refused(Code.INVALID_CHARACTER, "control characters are not allowed")
    return value.strip()


def _type(value: object) -> str:
    # Only `api-triggered` takes triggers; other types are known here so that they can say so.
    return _text(value, longest=MAX_TYPE_CHARS).lower()


def _one_of(value: object, *, choices: Mapping[str, T]) -> T:
    chosen = choices.get(value.lower()) if isinstance(value, str) else None
    if chosen is None:
        raise Refused(Code.INVALID_VALUE, f"it is one of {', '.join(choices)}")
    return chosen


def _channels(value: object) -> tuple[Channel, ...]:
    if not isinstance(value, list) or not value:
        raise Refused(Code.INVALID_VALUE, f"a list of {', '.join(CHANNELS)} is expected")
    return tuple(sorted({_one_of(each, choices=CHANNELS) for each in value}))


def _number(value: object, *, what: str, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise Refused(Code.INVALID_VALUE, f"{what} from 0 to {most} is expected")
    return value


_FIELDS: dict[str, tuple[str, Callable[[object], object]]] = {
    "name": ("name", partial(_text, longest=MAX_NAME_CHARS)),
    "type": ("type", _type),
    "dedup": ("dedup", partial(_one_of, choices=DEDUP)),
    "interval": (
        "interval_s",
        partial(_number, what="a whole number of seconds", most=MAX_INTERVAL_S),
    ),
    "channels": ("channels", _channels),
    "unknownrecipients": ("unknown_recipients", partial(_one_of, choices=UNKNOWN_RECIPIENTS)),
    "hourlycap": ("hourly_cap", partial(_number, what="a whole number", most=MAX_HOURLY_CAP)),
    "state": ("state", partial(_one_of, choices=STATES)),
}
_NAMES = (
    "name",
    "type",
    "dedup",
    "interval",
    "channels",
    "unknownRecipients",
    "hourlyCap",
    "state",
)


def _problem(errors: list[EntryError]) -> Problem:
    first = errors[0]
    field = f"{first.field}: " if first.field else ""
    return Problem(422, first.code, f"{field}{first.detail}", members={"errors": errors})
