"""The query of a call about the state of mailings, or about who waits in one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from producers.contract.errors import Code, ContractError
from producers.contract.parameters import flag_in, given_in, id_of
from schemas.topics import MAX_PAGE, MAX_PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_MIDS = 100
_LIMIT = re.compile("0*[1-9][0-9]{0,3}")
_PLACE = re.compile("([0-9]{1,4}):([0-9]{1,16})")
FIRST = (0, -1)


@dataclass(frozen=True, slots=True)
class SuspendCall:
    """One mailing, to be suspended or resumed."""

    orgid: int
    mid: int
    suspend: bool


@dataclass(frozen=True, slots=True)
class ClosingCall:
    """Mailings of one organisation, each once, in the order of the call."""

    orgid: int
    mids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PendingCall:
    """A page of those who wait; *after* is the place that the page before ended at."""

    orgid: int
    mid: int
    limit: int
    after: tuple[int, int]


def read_suspend(query: str) -> SuspendCall:
    """Return what the raw *query* says, or raise ContractError (400)."""
    given = given_in(query, {"orgid", "mid", "suspend"})
    orgid, mid = id_of(given, "orgid"), id_of(given, "mid")
    suspend = flag_in(_present(given, "suspend"), "suspend")
    return SuspendCall(orgid, mid, suspend)


def read_closing(query: str) -> ClosingCall:
    """Return what the raw *query* says, or raise ContractError (400)."""
    given = given_in(query, {"orgid", "mid"})
    orgid = id_of(given, "orgid")
    each = _present(given, "mid").split(",")
    if len(each) > MAX_MIDS:
        detail = f"a call is about at most {MAX_MIDS} mailings"
        raise ContractError(400, Code.INVALID_PARAMETER, detail)
    mids = [id_of({"mid": mid}, "mid") for mid in each]
    return ClosingCall(orgid, tuple(dict.fromkeys(mids)))


def read_pending(query: str) -> PendingCall:
    """Return what the raw *query* says, or raise ContractError (400)."""
    given = given_in(query, {"orgid", "mid", "limit", "after"})
    orgid, mid = id_of(given, "orgid"), id_of(given, "mid")
    limit = given.get("limit", str(MAX_PAGE))
    if _LIMIT.fullmatch(limit) is None or int(limit) > MAX_PAGE:
        detail = f"limit is a whole number from 1 to {MAX_PAGE}"
        raise ContractError(400, Code.INVALID_PARAMETER, detail)
    return PendingCall(
        orgid, mid, int(limit), _place(given["after"]) if "after" in given else FIRST
    )


def place_name(place: tuple[int, int]) -> str:
    """Return *place* as the `after` of the next page."""
    return f"{place[0]}:{place[1]}"


def _place(name: str) -> tuple[int, int]:
    found = _PLACE.fullmatch(name)
    if found is None or int(found[1]) >= MAX_PARTITIONS:
        detail = "after is the `next` of the page before"
        raise ContractError(400, Code.INVALID_PARAMETER, detail)
    return int(found[1]), int(found[2])


def _present(given: Mapping[str, str], name: str) -> str:
    if name not in given:
        raise ContractError(400, Code.MISSING_PARAMETER, f"{name} is missing")
    return given[name]
