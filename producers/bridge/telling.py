"""What became of a trigger call, as the response that its caller prefers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

from producers.bridge.problems import RETRY_AFTER_S, Problem
from producers.contract.answers import outcomes_of
from producers.contract.formats import write_ids, write_outcomes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from producers.contract.answers import TriggerAnswer
    from producers.contract.entries import TriggerCall
    from producers.contract.errors import EntryError
    from producers.contract.formats import AnswerFormat
    from producers.contract.preferences import Preferences
    from producers.contract.receipts import Receipt
    from schemas.records import Outcome

ADDRESS = "/v3.7/mailing/trigger/"
_OUTCOMES_APPLIED = {"Preference-Applied": "return=representation"}


@dataclass(frozen=True, slots=True)
class Told:
    """A call, what is known of its entries by index, and the answer that this makes."""

    call: TriggerCall
    results: Mapping[int, tuple[Outcome, int]]
    answer: TriggerAnswer
    receipt: Receipt | None = None
    """Of a call whose answer is not complete: under what it can be asked for later."""
    dry_run: bool = False
    """Nothing was done, so all there is to tell is what would become of each entry."""


def response_to(told: Told, answer_format: AnswerFormat, preferences: Preferences) -> Response:
    """Return the response to a call; a Problem is raised when not every entry was added."""
    given = told.answer
    if given.status != 200:
        raise _problem(told, preferences)
    headers = _OUTCOMES_APPLIED if preferences.outcomes else None
    if preferences.outcomes or told.dry_run:
        body = write_outcomes(outcomes_of(told.call, told.results, given), answer_format)
    else:
        body = write_ids([rid for rid in given.ids if rid is not None], answer_format)
    return Response(body, headers=headers, media_type=answer_format.media_type)


def later(
    receipt: Receipt, *, acknowledged: int = 0, errors: Sequence[EntryError] = (), applied: bool
) -> Response:
    """Return that a call is in the log, and where its answer will be.

    *errors* are what is wrong with entries that have no event; *applied*: this is what the caller
    has preferred.
    """
    location = location_of(receipt)
    document = {
        "location": location,
        "expected": receipt.expected,
        "acknowledged": acknowledged,
        "errors": errors,
    }
    headers = {"Location": location, "Retry-After": str(RETRY_AFTER_S)}
    if applied:
        headers["Preference-Applied"] = "respond-async"
    return Response(msgspec.json.encode(document), 202, headers, "application/json")


def location_of(receipt: Receipt) -> str:
    """Return the address of a call's answer."""
    return f"{ADDRESS}{receipt}"


def _problem(told: Told, preferences: Preferences) -> Problem:
    given, size = told.answer, told.call.size
    first = given.errors[0]
    if not given.ids:
        # The mailing was the reason; no entry was added, and none is to blame.
        return Problem(given.status, first.code, first.detail)
    if given.status == 504:
        late = sum(error.retriable for error in given.errors)
        code = next(error.code for error in given.errors if error.retriable)
        detail = f"{late} of {size} recipients were not acknowledged in time"
    else:
        field = f" {first.field}:" if first.field else ""
        code = first.code if len(given.errors) == 1 else "REJECTED_ENTRIES"
        refused = len({error.index for error in given.errors})
        detail = f"{refused} of {size} recipients refused; {first.index}:{field} {first.detail}"
    headers: dict[str, str] = {}
    members: dict[str, object] = {"ids": given.ids, "errors": given.errors}
    if preferences.outcomes or told.dry_run:
        members["outcomes"] = outcomes_of(told.call, told.results, given)
    if preferences.outcomes:
        headers |= _OUTCOMES_APPLIED
    if told.receipt is not None:
        members["location"] = headers["Location"] = location_of(told.receipt)
    return Problem(given.status, code, detail, headers=headers, members=members)
