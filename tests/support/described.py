"""What schemathesis is told beside the description: what there is, and what a refusal looks like.

The description's examples name things that may be there. They are, in calls that are sent: each
operation has a mailing of its own, for some are closed for good, and a recipient and an answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import schemathesis

if TYPE_CHECKING:
    from schemathesis import Case, CheckContext, HookContext, Response

PROBLEM = "application/problem+json"
MEMBERS = {"type", "title", "status", "detail", "code"}
# As the description's examples have them.
ORG, MID, RID, EMAIL = 2, 1, 3073, "user@domain.com"
RECEIPT = "2-0123456789abcdef0.3.70.1.1"
MAX_ID = 2**53 - 1


@dataclass(frozen=True, slots=True)
class There:
    """What one operation's calls find."""

    mid: int
    rid: int
    receipt: str


_there: dict[str, There] = {}


@schemathesis.hook
def before_call(_: HookContext, case: Case, __: dict[str, Any]) -> None:
    """Put what is there in the place of the examples."""
    label = case.operation.label
    if label not in _there:
        _there[label] = _prepared(case.operation.schema.get_base_url(), len(_there) + 1)
    there = _there[label]
    query = case.query
    if query.get("orgid") == ORG:
        if query.get("mid") == MID:
            query["mid"] = there.mid
        elif query.get("mid") == [MID]:
            query["mid"] = [there.mid]
        if query.get("rid") == RID:
            query["rid"] = there.rid
    # A recipient is named in one way: with both, nothing else would be looked at.
    if "email" in query and type(query.get("rid")) is int and 1 <= query["rid"] <= MAX_ID:
        del query["rid"]
    if case.path_parameters.get("receipt") == RECEIPT:
        case.path_parameters["receipt"] = there.receipt


def _prepared(url: str, mid: int) -> There:
    where = {"orgid": ORG, "mid": mid}
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as http:
        defined = http.put("/v3.7/mailing", params=where, json={"name": "Mine", "interval": 0})
        called = http.put("/v3.7/mailing/trigger", params=where, json={"email": EMAIL})
        later = http.put(
            "/v3.7/mailing/trigger",
            params=where,
            json={"email": EMAIL, "context": "later"},
            headers={"Prefer": "respond-async"},
        )
    for answer in (defined, called, later):
        answer.raise_for_status()
    return There(mid, called.json()[0], later.headers["location"].rpartition("/")[2])


@schemathesis.check
def a_refusal_is_a_problem_document(_: CheckContext, response: Response, __: Case) -> None:
    """Also where the description does not go: another verb, a path that is none."""
    if response.status_code < 400:
        return
    assert response.headers["content-type"] == [PROBLEM]
    problem = response.json()
    assert problem.keys() >= MEMBERS
    assert problem["status"] == response.status_code
