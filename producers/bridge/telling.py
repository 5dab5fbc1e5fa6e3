"""What became of a trigger call, as the response that its caller prefers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import Response

from producers.bridge.problems import Problem
from producers.contract.answers import outcomes_of
from producers.contract.formats import write_ids, write_outcomes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from producers.contract.answers import TriggerAnswer
    from producers.contract.entries import TriggerCall
    from producers.contract.formats import AnswerFormat
    from producers.contract.preferences import Preferences
    from schemas.records import Outcome

_OUTCOMES_APPLIED = {"Preference-Applied": "return=representation"}


@dataclass(frozen=True, slots=True)
class Told:
    """A call, what is known of its entries by index, and the answer that this makes."""

    call: TriggerCall
    results: Mapping[int, tuple[Outcome, int]]
    answer: TriggerAnswer


def response_to(told: Told, answer_format: AnswerFormat, preferences: Preferences) -> Response:
    """Return the response to a call; a Problem is raised when not every entry was added."""
    given = told.answer
    if given.status != 200:
        raise _problem(told, preferences)
    if preferences.outcomes:
        rows = outcomes_of(told.call, told.results, given)
        body, headers = write_outcomes(rows, answer_format), _OUTCOMES_APPLIED
    else:
        ids = [rid for rid in given.ids if rid is not None]
        body, headers = write_ids(ids, answer_format), None
    return Response(body, headers=headers, media_type=answer_format.media_type)


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
    headers = None
    members: dict[str, object] = {"ids": given.ids, "errors": given.errors}
    if preferences.outcomes:
        members["outcomes"] = outcomes_of(told.call, told.results, given)
        headers = _OUTCOMES_APPLIED
    return Problem(given.status, code, detail, headers=headers, members=members)
