"""Dry runs on the whole system: what they say comes true, and nothing else does."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from producers import BulkAnswer, ClientSettings, TriggerClient
from schemas.records import Outcome
from tests.support.recount import Recount
from tests.support.stack import ORG, TRIGGER_PATH

if TYPE_CHECKING:
    import httpx

    from tests.support.stack import Mailing, Stack

pytestmark = pytest.mark.embedded_will_do


def call(mailing: Mailing, body: object, *, dry: bool, **headers: str) -> httpx.Response:
    headers = {"Content-Type": "application/json", "Prefer": "return=representation"} | headers
    return mailing.stack.http.put(
        TRIGGER_PATH,
        params=mailing.params | ({"dryrun": "true"} if dry else {}),
        content=json.dumps(body),
        headers=headers,
    )


def test_what_a_dry_run_says_the_call_then_does(stack: Stack) -> None:
    mailing = stack.mailing()
    anna, berta = mailing.ids('[{"email":"anna@dry.org"},{"email":"berta@dry.org"}]')
    stack.http.put("/v3.7/recipient", params={"orgid": ORG, "rid": berta}, json={"status": 0})
    before = mailing.counters()
    body = [
        {"email": "ANNA@dry.org"},
        {"rid": anna, "context": 1},
        berta,
        # Every partition has some.
        *({"email": f"new{n % 20}@dry.org", "context": n // 20} for n in range(50)),
        {"email": "NEW0@dry.org", "context": 0},
        7_000_000 * 1024 + 1023,
        {"email": "nonsense"},
    ]
    key = {"Idempotency-Key": '"dry"'}

    dry = call(mailing, body, dry=True, **key)
    again = call(mailing, body, dry=True, **key)
    after = mailing.counters()
    real = call(mailing, body, dry=False, **key)

    assert (dry.status_code, dry.json()["outcomes"]) == (422, again.json()["outcomes"])
    assert after == before
    told: list[dict[str, Any]] = dry.json()["outcomes"]
    came: list[dict[str, Any]] = real.json()["outcomes"]
    names = ("index", "outcome", "reason")
    assert [[row[n] for n in names] for row in told] == [[row[n] for n in names] for row in came]
    assert [row["outcome"] for row in told[:3]] == ["duplicate", "known", "suppressed"]
    assert [row["outcome"] for row in told].count("created") == 20
    assert {row["index"]: row["rid"] for row in told if row["rid"]} == {0: anna, 1: anna, 2: berta}
    assert dry.json()["errors"] == real.json()["errors"]
    # Nobody was made and nothing was queued but by the call.
    assert mailing.counters()["triggered"] == before["triggered"] + len(body) - 2
    assert [breach.line() for breach in Recount(stack.cluster).report.breaches] == []


def test_a_large_dry_run_is_told_in_full(stack: Stack) -> None:
    mailing = stack.mailing()
    body = [{"email": f"many{n % 4000}@dry.org"} for n in range(6000)]
    told = call(mailing, body, dry=True)

    assert told.status_code == 200, told.text
    outcomes = [row["outcome"] for row in told.json()]
    assert outcomes == ["created"] * 4000 + ["duplicate"] * 2000
    mixed = call(mailing, [*body, 1025], dry=True)
    assert (mixed.status_code, mixed.json()["code"]) == (413, "DRY_RUN_TOO_LARGE")
    assert mailing.counters()["triggered"] == 0


def test_a_client_makes_dry_runs_too(stack: Stack) -> None:
    mailing = stack.mailing()
    settings = ClientSettings(stack.cluster.bootstrap_servers, topic_prefix=stack.cluster.prefix)

    async def run() -> list[BulkAnswer]:
        async with TriggerClient(settings) as client:
            recipients = [{"email": "client@dry.org"}, 1023]
            return await client.dry_run(orgid=ORG, mid=mailing.mid, recipients=recipients)

    new, nobody = asyncio.run(run())
    assert (new.rid, new.outcome, new.error) == (None, Outcome.CREATED, None)
    assert nobody.error is not None
    assert (nobody.outcome, nobody.error.code) == (None, "UNKNOWN_RECIPIENT")
    assert mailing.counters()["triggered"] == 0
