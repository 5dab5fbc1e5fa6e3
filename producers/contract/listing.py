"""The query of a list of mailings: which ones, in which order, which part of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from producers.contract.errors import Code, ContractError
from producers.contract.parameters import format_of, given_in, id_of
from schemas.records import MailingPhase
from schemas.topics import MAX_PAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from producers.contract.formats import AnswerFormat

DEFAULT_LIMIT = 100
ORDERS = ("mid", "name", "state", "triggered", "pending", "sent")
STATES = tuple(phase.lower() for phase in MailingPhase)

_NUMBER = re.compile("[0-9]{1,9}")
_KNOWN = frozenset({"orgid", "mid", "state", "name", "orderBy", "limit", "offset", "format"})


@dataclass(frozen=True, slots=True)
class ListCall:
    """What a call for a list says; *state* and *name* are empty when they do not matter."""

    orgid: int
    mid: int | None
    state: str
    name: str
    order: str
    descending: bool
    limit: int
    offset: int
    format: AnswerFormat


def read_list_call(query: str, *, suffix: str | None = None) -> ListCall:
    """Return what the raw *query* says, or raise ContractError (400)."""
    given = given_in(query, _KNOWN)
    order, descending = _order(given)
    return ListCall(
        orgid=id_of(given, "orgid"),
        mid=id_of(given, "mid") if "mid" in given else None,
        state=_state(given),
        name=given.get("name", "").casefold(),
        order=order,
        descending=descending,
        limit=_number(given, "limit", DEFAULT_LIMIT, least=1, most=MAX_PAGE),
        offset=_number(given, "offset", 0, least=0, most=10**9 - 1),
        format=format_of(given, suffix),
    )


def chosen(call: ListCall, mailings: Iterable[Any]) -> tuple[list[Any], int]:
    """Return the part of *mailings* that the call wants, and how many there are in all."""
    found = [
        each
        for each in mailings
        if (call.mid is None or each.mid == call.mid)
        and (not call.state or each.state.lower() == call.state)
        and (not call.name or call.name in each.name.casefold())
    ]
    # Equal ones in the order of their mid, whichever way, so that no page repeats one.
    found.sort(key=attrgetter("mid"))
    if call.order == "name":
        found.sort(key=lambda each: each.name.casefold(), reverse=call.descending)
    else:
        found.sort(key=attrgetter(call.order), reverse=call.descending)
    return found[call.offset : call.offset + call.limit], len(found)


def _order(given: Mapping[str, str]) -> tuple[str, bool]:
    text = given.get("orderBy", "mid")
    name, _, direction = text.partition(" ")
    if name.startswith("-") and not direction:
        name, direction = name[1:], "desc"
    if name not in ORDERS or direction not in {"", "asc", "desc"}:
        detail = f"orderBy is one of {', '.join(ORDERS)}; `-` before it or ` desc` behind it: down"
        raise ContractError(400, Code.INVALID_PARAMETER, detail)
    return name, direction == "desc"


def _state(given: Mapping[str, str]) -> str:
    state = given.get("state", "").lower()
    if "state" in given and state not in STATES:
        detail = f"state is one of {', '.join(STATES)}"
        raise ContractError(400, Code.INVALID_PARAMETER, detail)
    return state


def _number(given: Mapping[str, str], name: str, default: int, *, least: int, most: int) -> int:
    text = given.get(name, str(default))
    if _NUMBER.fullmatch(text) is None or not least <= int(text) <= most:
        detail = f"{name} is a whole number from {least} to {most}"
        raise ContractError(400, Code.INVALID_PARAMETER, detail)
    return int(text)
