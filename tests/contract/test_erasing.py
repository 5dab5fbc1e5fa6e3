"""A recipient is erased over HTTP, with a real log and worker behind it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from streams.verify.reading import LOG, STATE
from streams.verify.recount import recount
from tests.support.recount import read_all
from tests.support.stack import ORG, TRIGGER_PATH

if TYPE_CHECKING:
    import httpx

    from tests.support.stack import Stack

pytestmark = pytest.mark.embedded_will_do

PATH = "/v3.7/recipient"


def erase(stack: Stack, **who: object) -> httpx.Response:
    return stack.http.delete(PATH, params={"orgid": ORG} | who)


def test_an_erased_recipient_is_nobody_and_has_its_id_again_when_it_comes_back(
    stack: Stack,
) -> None:
    mailing = stack.mailing()
    people = '[{"email":"eraser@example.com","city":"Ribe"},{"email":"stays@example.com"}]'
    rid, stays = mailing.ids(people)

    first, second = erase(stack, rid=rid), erase(stack, rid=rid)

    assert first.status_code == 200, first.text
    assert second.json() == first.json()
    assert first.json()["rid"] == rid
    assert stack.http.get(PATH, params={"orgid": ORG, "rid": rid}).status_code == 404
    assert mailing.call(f"[{rid}]").json()["code"] == "UNKNOWN_RECIPIENT"
    counters = mailing.counters()
    assert (counters["pending"], counters["suppressed"]) == (1, 1)

    assert mailing.ids('[{"email":"Eraser@Example.com"}]') == [rid]
    shown = stack.http.get(PATH, params={"orgid": ORG, "email": "eraser@example.com"}).json()
    assert (shown["rid"], shown["email"], shown["city"]) == (rid, "Eraser@Example.com", None)
    assert {(send["rid"], send["city"]) for send in mailing.mailed()} == {
        (rid, None),
        (stays, None),
    }


def test_who_was_never_there_is_a_404(stack: Stack) -> None:
    (rid,) = stack.mailing().ids('[{"email":"there@example.com"}]')

    answers = [
        erase(stack, rid=rid + 1024 * 10**6),
        erase(stack, email="never@example.com"),
        stack.http.delete(PATH, params={"orgid": ORG + 1, "rid": rid}),
    ]

    assert {answer.json()["code"] for answer in answers} == {"UNKNOWN_RECIPIENT"}
    assert stack.http.get(PATH, params={"orgid": ORG, "rid": rid}).status_code == 200


def test_the_answer_says_which_topics_hold_something_and_until_when(stack: Stack) -> None:
    (rid,) = stack.mailing().ids('[{"email":"remains@example.com"}]')

    answer = erase(stack, email="Remains@example.com").json()

    assert answer["rid"] == rid
    until = {each["topic"].rpartition("mailing.")[2]: each["until"] for each in answer["remains"]}
    assert until.keys() == {"recipients", "acks", "sends", "dead-letters", "undelivered", "state"}
    days = {
        name: (datetime.fromisoformat(date) - datetime.now(UTC)) / timedelta(days=1)
        for name, date in until.items()
    }
    # What `topics create` sets, and Kafka's week of a segment or two of compaction beside it.
    assert {name: round(each) for name, each in days.items()} == {
        "recipients": 37,
        "acks": 9,
        "sends": 14,
        "dead-letters": 37,
        "undelivered": 37,
        "state": 28,
    }
    addressed = [raw for raw in read_all(stack.cluster, LOG) if b"remains@" in (raw.key or b"")]
    assert len(addressed) == 2


def test_the_last_record_of_each_key_in_the_changelog_says_nothing_of_who_was_erased(
    stack: Stack,
) -> None:
    mailing = stack.mailing()
    people = ",".join(f'{{"email":"crowd{n}@example.com"}}' for n in range(40))
    ids = mailing.ids(f"[{people}]")
    stack.http.put(PATH, params={"orgid": ORG, "rid": ids[7]}, json={"city": "Ribe"})

    assert erase(stack, rid=ids[7]).status_code == 200
    # Answers come before their transactions are committed; what is sent was committed after them.
    assert len(mailing.mailed()) == len(ids) - 1

    last: dict[tuple[int, bytes | None], bytes | None] = {}
    for raw in read_all(stack.cluster, STATE):
        last[raw.partition, raw.key] = raw.value
    left = b"".join((key or b"") + value for (_, key), value in last.items() if value is not None)
    assert b"crowd7@" not in left
    assert b"crowd8@" in left


def test_erasings_that_race_with_triggers_are_in_the_logs_order(stack: Stack) -> None:
    mailing = stack.mailing()
    (rid,) = mailing.ids('[{"email":"racer@example.com","context":0}]')

    answers = asyncio.run(_race(stack, mailing.mid))

    assert {answer.status_code for answer in answers} <= {200}
    ids = {rid for answer in answers for rid in _ids(answer.json())}
    assert ids == {rid}
    counters = mailing.counters()
    assert counters["created"] + counters["known"] == sum(
        counters[name] for name in ("pending", "sent", "suppressed")
    )
    report = recount(stack.cluster.bootstrap_servers, stack.cluster.prefix)
    assert [breach.line() for breach in report.breaches] == []


def _ids(document: Any) -> list[int]:
    return document if isinstance(document, list) else [document["rid"]]


async def _race(stack: Stack, mid: int) -> list[httpx.Response]:
    import httpx

    async with httpx.AsyncClient(base_url=stack.http.base_url, timeout=60, trust_env=False) as http:
        calls = []
        for number in range(40):
            who = {"orgid": ORG, "email": "racer@example.com"}
            body = f'[{{"email":"racer@example.com","context":{number}}}]'
            call = {"orgid": ORG, "mid": mid}
            calls.append(http.put(TRIGGER_PATH, params=call, content=body))
            if number % 4 == 3:
                calls.append(http.delete(PATH, params=who))
        return await asyncio.gather(*calls)
