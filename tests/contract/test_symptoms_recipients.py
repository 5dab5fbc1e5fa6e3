"""What went wrong for the original's users, and must not here: a test a report.

Beside these: the slow password check in `test_bridge_credentials.py`, the database's restart in
`test_symptoms_restart.py`.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.stack import CALL_WITHIN_S, TRIGGER_PATH

if TYPE_CHECKING:
    from tests.support.stack import Mailing, Stack

pytestmark = pytest.mark.embedded_will_do

UNKNOWN_RID = (10**9) * 1024 + 1
# Fewer than the smallest bound to which the bridge shrinks when answers are slow: 64.
CALLS_AT_ONCE = 60
BIG_CALL = 10_000

CONTEXTS = {
    "object": '{"header":"XYZ-123","lines":[{"sku":"a","n":1},{"sku":"b","n":2}]}',
    "text": '"XYZ-123"',
    "number": "0",
    "false": "false",
    "empty text": '""',
    "empty object": "{}",
    "non-ASCII": '{"név":"Kovács Mária","挨拶":"こんにちは","🎉":"Ünï\u0301cödé"}',
    "above 64 bits": '{"n":18446744073709551616,"m":-9223372036854775809}',
    "trailing zero": '{"price":1.10,"same":1.1e0,"zero":-0.0}',
    "beyond a double": "[1e400,0.1000000000000000055511151231257827]",
    "doubled key": '{"a":1,"a":2}',
    "escaped": r'"\u00fc\ud83c\udf89 \"quoted\" \\ \/ \n\t \u0000"',
    "lone surrogate": r'"\ud800"',
    "white space inside": '{ "a" : [ 1,\t2 ],\n "b" : null }',
}


def test_letter_case_of_an_address_never_makes_a_second_contact(stack: Stack) -> None:
    mailing = stack.mailing()
    (rid,) = mailing.ids('[{"email":"Casey.Jones@Example.com","context":0}]')
    variants = [
        "casey.jones@example.com",
        "CASEY.JONES@example.com",
        "Casey.Jones@EXAMPLE.COM",
        "CASEY.JONES@EXAMPLE.COM.",
        "  casey.Jones@eXample.com ",
    ]

    apart = [mailing.ids(json.dumps([{"email": email, "context": 0}])) for email in variants]
    together = mailing.ids(json.dumps([{"email": email, "context": 0} for email in variants]))

    assert apart == [[rid]] * len(variants)
    assert together == [rid] * len(variants)
    (send,) = mailing.mailed()
    assert (send["rid"], send["email"]) == (rid, "Casey.Jones@Example.com")
    assert mailing.counters()["created"] == 1


def test_letter_case_makes_no_second_contact_in_one_call(stack: Stack) -> None:
    mailing = stack.mailing()

    ids = mailing.ids('[{"email":"Zoë@Exämple.org"},{"email":"ZOË@xn--exmple-cua.ORG"}]')

    assert len(set(ids)) == 1
    assert len(mailing.mailed()) == 1


def test_a_recipient_who_unsubscribed_is_neither_mailed_nor_created_again(stack: Stack) -> None:
    mailing = stack.mailing()
    (rid,) = mailing.ids('[{"email":"gone@example.com","status":"unsubscribed"}]')

    again = mailing.ids('[{"email":"Gone@Example.com","status":"subscribed","context":1}]')
    by_rid = mailing.ids(f"[{rid}]")

    assert (again, by_rid) == ([rid], [rid])
    assert mailing.mailed() == []
    counters = mailing.counters()
    assert (counters["created"], counters["suppressed"], counters["sent"]) == (1, 3, 0)


def test_who_unsubscribed_is_suppressed_in_every_mailing_of_the_organisation(
    stack: Stack,
) -> None:
    (rid,) = stack.mailing().ids('[{"email":"left@example.com","status":0}]')
    other = stack.mailing()

    assert other.ids('[{"email":"left@example.com"}]') == [rid]
    assert other.mailed() == []


def test_the_first_triggers_of_a_new_mailing_race_for_nothing(stack: Stack) -> None:
    mailing = stack.mailing()
    people = [f"race{number}@example.com" for number in range(CALLS_AT_ONCE // 2)]

    answers = asyncio.run(_at_once(mailing, [[{"email": email}] for email in people * 2]))

    assert [answer.status_code for answer in answers] == [200] * CALLS_AT_ONCE
    ids = [answer.json() for answer in answers]
    assert ids[: len(people)] == ids[len(people) :]
    sends = mailing.mailed()
    assert sorted(send["email"] for send in sends) == sorted(people)
    assert sorted([send["rid"]] for send in sends) == sorted(ids[: len(people)])


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS.keys())
def test_context_values_arrive_byte_for_byte(stack: Stack, context: str) -> None:
    mailing = stack.mailing()
    body = f'[{{"email":"context@example.com","context":{context},"firstName":"Mária"}}]'.encode()

    mailing.ids(body)

    (send,) = mailing.mailed()
    assert send["context"] == context.encode()
    assert send["firstName"] == "Mária"


def test_contexts_of_a_known_recipient_arrive_byte_for_byte(stack: Stack) -> None:
    mailing = stack.mailing()
    (rid,) = mailing.ids('[{"email":"contexts@example.com"}]')

    entries = ",".join(f'{{"rid":{rid},"context":{context}}}' for context in CONTEXTS.values())
    assert mailing.ids(f"[{entries}]".encode()) == [rid] * len(CONTEXTS)

    sent = sorted(send["context"] for send in mailing.mailed())
    assert sent == sorted([b"", *(context.encode() for context in CONTEXTS.values())])


def test_an_invalid_id_never_blocks_a_mailing(stack: Stack) -> None:
    mailing = stack.mailing()

    alone = mailing.call(f"[{UNKNOWN_RID}]")
    among = mailing.call(f'[{UNKNOWN_RID},{{"email":"before@example.com"}},{UNKNOWN_RID + 1}]')
    (after,) = mailing.ids('[{"email":"after@example.com"}]')

    assert (alone.status_code, alone.json()["code"]) == (404, "UNKNOWN_RECIPIENT")
    assert among.status_code == 422
    assert [error["index"] for error in among.json()["errors"]] == [0, 2]
    _, before, _ = among.json()["ids"]
    assert {send["rid"] for send in mailing.mailed()} == {before, after}
    counters = mailing.counters()
    assert (counters["rejected"], counters["sent"], counters["pending"]) == (3, 2, 0)


def test_an_id_of_another_organisation_is_unknown(stack: Stack) -> None:
    mailing = stack.mailing()
    (rid,) = mailing.ids('[{"email":"mine@example.com"}]')
    other = {"orgid": 3, "mid": mailing.mid}
    stack.http.put("/v3.7/mailing", params=other, json={"name": "Theirs", "interval": 0})

    answer = stack.http.put(TRIGGER_PATH, params=other, content=f"[{rid}]")

    assert (answer.status_code, answer.json()["code"]) == (404, "UNKNOWN_RECIPIENT")


def test_a_very_large_batch_is_one_call_like_any_other(stack: Stack) -> None:
    mailing = stack.mailing()
    body = json.dumps(
        [
            {"email": f"big{number}@example.com", "context": {"ordernumber": number}}
            for number in range(BIG_CALL)
        ]
    )

    ids = mailing.ids(body)

    assert len(ids) == len(set(ids)) == BIG_CALL
    assert mailing.ids(body) == ids
    sends = mailing.mailed()
    assert {(send["rid"], send["email"]) for send in sends} == {
        (rid, f"big{number}@example.com") for number, rid in enumerate(ids)
    }
    assert len(sends) == BIG_CALL


async def _at_once(mailing: Mailing, calls: list[list[dict[str, str]]]) -> list[httpx.Response]:
    limits = httpx.Limits(max_connections=len(calls))
    async with httpx.AsyncClient(
        base_url=mailing.stack.http.base_url, timeout=CALL_WITHIN_S, limits=limits, trust_env=False
    ) as http:
        return await asyncio.gather(
            *(http.put(TRIGGER_PATH, params=mailing.params, json=call) for call in calls)
        )
