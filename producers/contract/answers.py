"""From what became of each entry to the answer of the call, whatever carries it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from producers.contract.entries import KnownEntry, TriggerCall
from producers.contract.errors import Code, EntryError
from schemas.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

# About the mailing rather than the entry: they decide the status of the whole call.
_OF_THE_MAILING = {
    Outcome.UNKNOWN_MAILING: (404, Code.INVALID_MAILING, "no such mailing"),
    Outcome.MAILING_CLOSED: (
        409,
        Code.MAILING_CLOSED,
        "the mailing is not active yet, cancelled or finished",
    ),
    Outcome.NOT_TRIGGERED: (409, Code.NOT_TRIGGERED, "the mailing is not of type api-triggered"),
}
_OF_THE_ENTRY = {
    Outcome.UNKNOWN_RECIPIENT: ("rid", Code.UNKNOWN_RECIPIENT, "no such recipient"),
    Outcome.EMAIL_MISMATCH: (
        "email",
        Code.EMAIL_MISMATCH,
        "the address is not that of the recipient",
    ),
    Outcome.FAILED: (None, Code.FAILED, "the event could not be processed"),
}
_NAMES = {outcome: outcome.name.lower() for outcome in Outcome if outcome.accepted}
UNSUBSCRIBED = "UNSUBSCRIBED"


@dataclass(frozen=True, slots=True)
class TriggerAnswer:
    """The answer of a call: an ID for each entry in request order, None where there is an error.

    *ids* is empty when the call as a whole was refused (404 and 409 of the mailing): nothing was
    added, and the one error speaks for all entries.
    """

    status: int
    ids: tuple[int | None, ...]
    errors: tuple[EntryError, ...]


class EntryOutcome(msgspec.Struct, frozen=True, gc=False):
    """What became of the entry at *index*: the row of an answer that tells it of each.

    *outcome* is `created`, `known`, `duplicate`, `suppressed`, `rejected`, or `unacknowledged` when
    nobody knows yet; *reason* is a code where one of the last three needs it.
    """

    index: int
    rid: int | None
    outcome: str
    reason: str | None


def answer(call: TriggerCall, results: Mapping[int, tuple[Outcome, int]]) -> TriggerAnswer:
    """Return the answer of *call*, given (outcome, rid) by index; a missing index is a 504."""
    ids: list[int | None] = [None] * call.size
    errors = list(call.errors)
    status = 422 if errors else 200
    of_the_mailing: tuple[int, EntryError] | None = None
    late = False
    added = False
    for entry in call.entries:
        index = entry.index
        result = results.get(index)
        if result is None:
            late = True
            errors.append(_not_acknowledged(index))
            continue
        outcome, rid = result
        if outcome <= Outcome.SUPPRESSED:  # `outcome.accepted`, without 10,000 property calls
            added = True
            # 0: of a dry run, who would be new.
            ids[index] = rid or None
            continue
        status = 422
        if outcome in _OF_THE_MAILING:
            mailing_status, code, detail = _OF_THE_MAILING[outcome]
            error = EntryError(index, None, code, detail)
            if of_the_mailing is None or mailing_status < of_the_mailing[0]:
                of_the_mailing = (mailing_status, error)
        else:
            field, code, detail = _OF_THE_ENTRY[outcome]
            if field == "rid" and not isinstance(entry, KnownEntry):
                field = "email"
            error = EntryError(index, field, code, detail)
        errors.append(error)

    # What is late may have been added yet, before the mailing was closed where its recipient lives.
    if of_the_mailing is not None and (added or not late):
        status, error = of_the_mailing
        if not added:
            return TriggerAnswer(status, (), (error,))
    elif late:
        status = 504
    elif call.size == 1 and errors and errors[0].code == Code.UNKNOWN_RECIPIENT:
        status = 404
    errors.sort(key=lambda error: error.index)
    return TriggerAnswer(status, tuple(ids), tuple(errors))


def recalled(size: int, results: Mapping[int, tuple[Outcome, int]]) -> TriggerCall:
    """Return a call of *size* entries as far as its *results*, which are complete, tell of it."""
    detail = "refused when the call was made; its first answer says why"
    return TriggerCall(
        tuple(KnownEntry(index, 0, None, b"", b"") for index in results),
        tuple(
            EntryError(index, None, Code.REFUSED, detail)
            for index in range(size)
            if index not in results
        ),
        size,
    )


def outcomes_of(
    call: TriggerCall, results: Mapping[int, tuple[Outcome, int]], given: TriggerAnswer
) -> list[EntryOutcome]:
    """Return what became of every entry of *call*, which *given* is the answer of."""
    # An entry may have several errors; the first one names it.
    codes: dict[int, str] = {}
    for error in given.errors:
        codes.setdefault(error.index, error.code)
    rows = []
    for index in range(call.size):
        code = codes.get(index)
        if code is None:
            outcome, rid = results[index]
            reason = UNSUBSCRIBED if outcome is Outcome.SUPPRESSED else None
            rows.append(EntryOutcome(index, rid or None, _NAMES[outcome], reason))
        else:
            late = code == Code.NOT_ACKNOWLEDGED
            rows.append(EntryOutcome(index, None, "unacknowledged" if late else "rejected", code))
    return rows


def _not_acknowledged(index: int) -> EntryError:
    detail = "handed over, but not acknowledged in time"
    return EntryError(index, None, Code.NOT_ACKNOWLEDGED, detail, retriable=True)
