"""Calls with an Idempotency-Key on the whole system: again, elsewhere, after a crash."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.ports import own_port
from tests.support.recount import Recount
from tests.support.stack import CALL_WITHIN_S, TRIGGER_PATH
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.processes import Running
    from tests.support.stack import Mailing, Stack

pytestmark = pytest.mark.embedded_will_do

KEYS = (f'"key-{number}"' for number in count())
PEOPLE = json.dumps(
    [{"email": f"again{n}@example.com", "context": n} for n in range(5)] + [{"email": "nonsense"}]
)


def call(
    mailing: Mailing, key: str, body: str = PEOPLE, *, http: httpx.Client | None = None, **more: str
) -> httpx.Response:
    headers = {"Content-Type": "application/json", "Idempotency-Key": key} | more
    http = http or mailing.stack.http
    return http.put(TRIGGER_PATH, params=mailing.params, content=body, headers=headers)


@pytest.fixture(scope="module")
def another_bridge(stack: Stack) -> Iterator[tuple[Running, httpx.Client]]:
    port = own_port()
    env = stack.cluster.environment(PORT=str(port), ACK_TIMEOUT_S="30")
    bridge = stack.cluster.processes.start("bridge", env=env)
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=url, timeout=CALL_WITHIN_S, trust_env=False) as http:
        eventually(replace(stack, bridge=bridge, http=http).ready)
        yield bridge, http
    bridge.kill()


@pytest.fixture
def elsewhere(another_bridge: tuple[Running, httpx.Client]) -> httpx.Client:
    """A client of another bridge."""
    return another_bridge[1]


def test_a_call_made_again_is_answered_alike_and_mailed_once_across_an_invocation(
    stack: Stack, elsewhere: httpx.Client
) -> None:
    mailing, key = stack.mailing(), next(KEYS)
    first = call(mailing, key)
    again = call(mailing, key)
    assert len(mailing.mailed()) == 5
    after = call(mailing, key, Prefer="return=representation")
    there = call(mailing, key, http=elsewhere)

    assert first.status_code == 422
    assert first.json()["ids"][5] is None
    assert again.json() == there.json() == first.json()
    assert [row["outcome"] for row in after.json()["outcomes"]] == ["created"] * 5 + ["rejected"]
    assert len(mailing.mailed()) == 5
    assert mailing.counters()["triggered"] == 5
    assert [breach.line() for breach in Recount(stack.cluster).report.breaches] == []


def test_another_call_does_not_get_the_key(stack: Stack) -> None:
    mailing, key = stack.mailing(), next(KEYS)
    first = call(mailing, key, '[{"email":"key@example.com"}]')
    other = call(mailing, key, '[{"email":"other@example.com"}]')
    of_another = call(stack.mailing(), key, '[{"email":"other@example.com"}]')

    assert (first.status_code, of_another.status_code) == (200, 200)
    assert (other.status_code, other.json()["code"]) == (422, "KEY_REUSED")
    assert mailing.counters()["triggered"] == 1


def test_calls_at_once_are_one(stack: Stack) -> None:
    mailing, key = stack.mailing(), next(KEYS)
    with ThreadPoolExecutor(8) as pool:
        answers = [*pool.map(lambda _: call(mailing, key), range(16))]

    assert {answer.status_code for answer in answers} == {422}
    assert len({tuple(answer.json()["ids"]) for answer in answers}) == 1
    assert mailing.counters()["triggered"] == 5


def test_an_answer_is_asked_for_later_on_another_bridge(
    stack: Stack, elsewhere: httpx.Client
) -> None:
    mailing = stack.mailing()
    headers = {"Prefer": "respond-async"}
    body = '[{"email":"later@example.com"},{"email":"later2@example.com"}]'
    accepted = stack.http.put(TRIGGER_PATH, params=mailing.params, content=body, headers=headers)
    assert accepted.status_code == 202, accepted.text
    location = accepted.headers["location"]
    eventually(lambda: elsewhere.get(location).status_code == 200)
    told = elsewhere.get(location)

    assert told.json() == mailing.ids(body)


def test_a_call_that_its_bridge_did_not_survive_is_made_again_elsewhere(
    stack: Stack, another_bridge: tuple[Running, httpx.Client]
) -> None:
    bridge, http = another_bridge
    mailing, key = stack.mailing(), next(KEYS)
    body = json.dumps([{"email": f"crash{n}@example.com"} for n in range(10_000)])
    with ThreadPoolExecutor(1) as pool:
        lost = pool.submit(call, mailing, key, body, http=http)
        # Some of it is in the log, and perhaps not all.
        eventually(lambda: mailing.counters()["triggered"] > 0, every_s=0.0)
        bridge.kill()
        assert lost.exception(60) is not None or lost.result().status_code == 200
    mailing.mailed()
    again = call(mailing, key, body)

    assert again.status_code == 200, again.text
    assert len(set(again.json())) == 10_000
    mailing.mailed()
    counters = mailing.counters()
    assert counters["triggered"] == counters["sent"] == 10_000
