"""From what parts of ours raise to the answer a caller gets."""

from __future__ import annotations

import logging
import traceback
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from producers.bridge.problems import Problem, TooBusy
from producers.contract.errors import Code, ContractError
from producers.errors import (
    ClientError,
    ControlRefused,
    KeyReused,
    LogChanged,
    LogUnavailable,
    NotAcknowledged,
    Overloaded,
    RecipientRefused,
    UnknownMailing,
    UnknownRecipient,
)
from schemas.records import ControlOutcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from producers.contract.errors import EntryError

log = logging.getLogger("mailing_trigger.bridge")


def as_problem(exc: Exception) -> Problem:
    """Return the answer to *exc*; what nobody foresaw is a 500 that tells nothing."""
    match exc:
        case Problem():
            return exc
        case ContractError(status=status, code=code, detail=detail):
            return Problem(status, code, detail)
        case HTTPException(status_code=status):
            return Problem(status, HTTPStatus(status).name, HTTPStatus(status).phrase)
        case ClientDisconnect():
            # Nobody reads it; 499 is what nginx counts for the same.
            return Problem(499, "CLIENT_GONE", "the caller went away")
        case ClientError():
            return _of_the_client(exc)
        case _:
            return Problem(500, "INTERNAL_ERROR", "the bridge failed; its log says where")


def _of_the_client(exc: ClientError) -> Problem:
    match exc:
        case Overloaded():
            return TooBusy(str(exc))
        case KeyReused():
            return Problem(422, Code.KEY_REUSED, str(exc))
        case LogChanged():
            return Problem(503, "LOG_CHANGED", str(exc))
        case LogUnavailable(produced=produced):
            added = "some of the call may have been" if produced else "nothing was"
            return Problem(503, "LOG_UNAVAILABLE", f"the log does not answer; {added} added")
        case UnknownMailing():
            return Problem(404, Code.INVALID_MAILING, "no such mailing")
        case UnknownRecipient():
            return Problem(404, Code.UNKNOWN_RECIPIENT, "no such recipient")
        case RecipientRefused(errors=errors):
            return _of_a_recipient(errors)
        case ControlRefused(outcome=ControlOutcome.WRONG_STATE, state=state):
            members = {"state": state and state.lower()}
            return Problem(409, "WRONG_STATE", "the mailing's state forbids it", members=members)
        case ControlRefused(outcome=ControlOutcome.NOT_TRIGGERED):
            return Problem(409, "NOT_TRIGGERED", "the mailing is not of type api-triggered")
        case NotAcknowledged(answered=answered, expected=expected):
            detail = f"accepted, but only {answered} of {expected} partitions answered in time"
            return Problem(504, Code.NOT_ACKNOWLEDGED, detail)
        case _:
            return Problem(500, "INTERNAL_ERROR", "the processor failed; the dead letters say why")


def _of_a_recipient(errors: Sequence[EntryError]) -> Problem:
    first = errors[0]
    status = {Code.UNKNOWN_RECIPIENT: 404, Code.ADDRESS_FIXED: 409}.get(Code(first.code), 422)
    field = f"{first.field}: " if first.field else ""
    return Problem(status, first.code, f"{field}{first.detail}", members={"errors": errors})


def refusal(exc: Exception) -> Response:
    """Return the response to *exc*, and log what nobody foresaw: where, but not its words.

    They may hold an address or a context.
    """
    problem = as_problem(exc)
    if problem.status == 500:
        where = "".join(traceback.format_tb(exc.__traceback__))
        log.error("unforeseen %s\n%s", type(exc).__name__, where)
    return problem.response()


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer for a path that nothing is at."""
    problem = Problem(404, "NOT_FOUND", "there is nothing at this path")
    await problem.response()(scope, receive, send)
