"""How an attempt of a call ended, as its caller can tell from the answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from producers.errors import (
    ClientError,
    ControlRefused,
    LogUnavailable,
    Overloaded,
    RecipientRefused,
    UnknownMailing,
    UnknownRecipient,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from tests.history.record import Result

T = TypeVar("T")

# Nothing of a call with one of these was produced; 503 says so itself.
NOTHING_PRODUCED = frozenset({400, 401, 403, 405, 408, 413, 415, 429})
_NOT_ACKNOWLEDGED = "NOT_ACKNOWLEDGED"
# Of an answer about a mailing, or a recipient: what the judge compares.
SHOWN = frozenset(
    {"state", "revision", "rid", "status", "firstName", "lastName", "smsContact", "smsSubscribed"}
)


@dataclass(frozen=True, slots=True)
class Told:
    """How an attempt ended: *type* as in the history, *results* entry by entry.

    *shown* is what an answer about a mailing or a recipient has, or the `code` of a refusal.
    """

    type: str
    results: Sequence[Result] = ()
    status: int = 0
    error: str = ""
    shown: Mapping[str, object] = field(default_factory=dict)


async def over_http(
    asking: Awaitable[httpx.Response], read: Callable[[httpx.Response], Told]
) -> Told:
    """Return what *read* makes of the answer, if there is one."""
    try:
        answer = await asking
    except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
        return Told("fail", error=type(exc).__name__)
    except httpx.TransportError as exc:
        return Told("info", error=type(exc).__name__)
    return read(answer)


async def by_client(asking: Awaitable[T], show: Callable[[T], Mapping[str, object]]) -> Told:
    """Return what a client's answer about a mailing or a recipient says."""
    try:
        view = await asking
    except (ControlRefused, UnknownMailing, UnknownRecipient, RecipientRefused) as exc:
        return Told("ok", error=str(exc), shown=_refusal(exc))
    except ClientError as exc:
        return unavailable(exc)
    return Told("ok", shown=show(view))


def _refusal(exc: ClientError) -> dict[str, object]:
    match exc:
        case ControlRefused(outcome=outcome, state=state):
            return {"code": outcome.name} | ({"state": state.value} if state else {})
        case UnknownMailing():
            return {"code": "INVALID_MAILING"}
        case RecipientRefused(errors=errors):
            return {"code": str(errors[0].code)}
        case _:
            return {"code": "UNKNOWN_RECIPIENT"}


def unavailable(exc: ClientError) -> Told:
    """Return what a caller knows whose client raised *exc* instead of an answer."""
    if isinstance(exc, Overloaded) or (isinstance(exc, LogUnavailable) and not exc.produced):
        return Told("fail", error=str(exc))
    return Told("info", error=repr(exc))


def read_document(answer: httpx.Response) -> Told:
    """Return what an answer about a mailing, or about a recipient, says."""
    status, document = answer.status_code, json.loads(answer.content)
    if isinstance(document, list):
        # Of several mailings that were closed; the calls here name one.
        (document,) = document
    if status == httpx.codes.OK:
        return Told("ok", (), status, shown=shown_of(document))
    nothing = certainly_nothing(status, document)
    if nothing is not None:
        return nothing
    if status in {404, 409, 422}:
        return Told("ok", (), status, shown={"code": document["code"]} | shown_of(document))
    return Told("info", (), status, str(document.get("detail")))


def shown_of(document: Mapping[str, Any]) -> dict[str, object]:
    """Return what the judge compares of an answer; states are written as in the log."""
    found = {name: value for name, value in document.items() if name in SHOWN}
    if isinstance(found.get("state"), str):
        found["state"] = found["state"].upper()
    elif "state" in found:
        del found["state"]
    if "code" in document:
        # A problem's own status is HTTP's, not a recipient's.
        found.pop("status", None)
    return found


def certainly_nothing(status: int, problem: Mapping[str, Any]) -> Told | None:
    """Return `fail` for an answer which says that nothing was produced."""
    detail = str(problem.get("detail"))
    if status in NOTHING_PRODUCED or (status == 503 and "nothing was added" in detail):
        return Told("fail", (), status, detail)
    return None


def read_answer(status: int, body: bytes, size: int) -> Told:
    """Return what an answer over HTTP says about a call of *size* entries."""
    if status == httpx.codes.OK:
        ids = json.loads(body)
        return Told("ok", ids if isinstance(ids, list) else (), status)
    problem = json.loads(body)
    nothing = certainly_nothing(status, problem)
    if nothing is not None:
        return nothing
    if status in {404, 409, 422, 504} and "ids" in problem:
        codes = {error["index"]: error["code"] for error in problem["errors"]}
        return judged(status, problem["ids"], codes, size)
    if status in {404, 409} or problem.get("code") == "KEY_REUSED":
        return Told("ok", [problem["code"]] * size, status)
    return Told("info", (), status, str(problem.get("detail")))


def judged(status: int, ids: Sequence[int | None], codes: dict[int, str], size: int) -> Told:
    """Return what became of each entry, by its ID or the code of its refusal."""
    if not ids:
        # The mailing was the reason, and one error speaks for all entries.
        return Told("ok", [next(iter(codes.values()))] * size, status)
    results: list[Result] = [
        rid if rid is not None else codes.get(index) for index, rid in enumerate(ids)
    ]
    late = [result in {None, _NOT_ACKNOWLEDGED} for result in results]
    results = [None if is_late else result for result, is_late in zip(results, late, strict=True)]
    return Told("info" if any(late) else "ok", results, status)
