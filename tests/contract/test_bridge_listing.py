"""Mailings as lists: which, in which order, in which form; and the metric of the balance."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from producers.mailing_statistics import StatisticsTable
from tests.support.bridge import Bridge, running
from tests.support.rows import row
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.stack import Stack

pytestmark = pytest.mark.embedded_will_do

LIST = "/v3.7/mailing/list"
NAMES = {1: "Spring", 2: "=HYPERLINK(1)", 3: "spring <sale>", 4: "\tTab", 5: "Autumn, 2025"}


def table() -> StatisticsTable:
    made = StatisticsTable()
    for mid, name in NAMES.items():
        state = "SUSPENDED" if mid == 5 else "ACTIVE"
        made.take(row(mid, name=name, state=state, sent=mid, created=mid + 2, triggered=mid + 8))
    made.complete = True
    return made


@pytest.fixture(scope="module")
def bridge() -> Iterator[Bridge]:
    with running(statistics=table()) as started:
        yield started


def mids(bridge: Bridge, **query: object) -> list[int]:
    answer = bridge.http.get(LIST, params={"orgid": 2, **query})
    assert answer.status_code == 200, answer.text
    return [each["mid"] for each in answer.json()["mailings"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"orderBy": "-mid"}, [5, 4, 3, 2, 1]),
        ({"orderBy": "sent desc", "limit": 2}, [5, 4]),
        ({"orderBy": "sent", "limit": 2, "offset": 3}, [4, 5]),
        ({"orderBy": "-state"}, [5, 1, 2, 3, 4]),
        ({"orderBy": "-pending"}, [1, 2, 3, 4, 5]),
        ({"name": "SPRING"}, [1, 3]),
        ({"name": "spring", "orderBy": "-name"}, [3, 1]),
        ({"state": "suspended"}, [5]),
        ({"mid": 3}, [3]),
        ({"offset": 9}, []),
    ],
    ids=str,
)
def test_a_list_is_filtered_ordered_and_cut(
    bridge: Bridge, query: dict[str, object], expected: list[int]
) -> None:
    assert mids(bridge, **query) == expected


def test_a_list_says_how_many_there_are_and_as_of_when(bridge: Bridge) -> None:
    answer = bridge.http.get(LIST, params={"orgid": 2, "limit": 1, "name": "spring"}).json()

    assert answer["total"] == 2
    assert answer["mailings"][0]["asOf"] == "2025-11-26T08:00:00.000Z"
    assert answer["mailings"][0]["state"] == "active"
    assert bridge.http.get(LIST, params={"orgid": 4}).json() == {"total": 0, "mailings": []}


def test_an_xml_list_is_well_formed_whatever_names_say(bridge: Bridge) -> None:
    answer = bridge.http.get(f"{LIST}.xml?orgid=2")
    root = ET.fromstring(answer.content)  # noqa: S314 - our own

    assert answer.headers["content-type"] == "application/xml"
    assert (root.tag, root.get("total")) == ("mailings", "5")
    assert [each.findtext("name") for each in root] == list(NAMES.values())


def test_a_csv_list_has_no_formulas(bridge: Bridge) -> None:
    answer = bridge.http.get(f"{LIST}?orgid=2&format=csv")
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))

    assert answer.headers["content-type"].startswith("text/csv")
    assert [each["name"] for each in rows] == [
        "Spring",
        "'=HYPERLINK(1)",
        "spring <sale>",
        "'\tTab",
        "Autumn, 2025",
    ]
    assert (rows[4]["sent"], rows[4]["state"]) == ("5", "suspended")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (LIST, "MISSING_PARAMETER"),
        (f"{LIST}?orgid=2&limit=0", "INVALID_PARAMETER"),
        (f"{LIST}?orgid=2&limit=1001", "INVALID_PARAMETER"),
        (f"{LIST}?orgid=2&offset=-1", "INVALID_PARAMETER"),
        (f"{LIST}?orgid=2&orderBy=created", "INVALID_PARAMETER"),
        (f"{LIST}?orgid=2&orderBy=mid%20down", "INVALID_PARAMETER"),
        (f"{LIST}?orgid=2&state=asleep", "INVALID_PARAMETER"),
        (f"{LIST}.csv?orgid=2&format=xml", "INVALID_PARAMETER"),
        (f"{LIST}?orgid=2&consistent=true", "UNKNOWN_PARAMETER"),
        (f"{LIST}?orgid=2&limit=1&limit=2", "REPEATED_PARAMETER"),
    ],
)
def test_a_bad_parameter_is_a_400_that_names_it(bridge: Bridge, path: str, code: str) -> None:
    answer = bridge.http.get(path)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_until_the_topic_is_read_there_is_no_list_and_no_balance() -> None:
    with running() as bridge:
        answer = bridge.http.get(f"{LIST}?orgid=2")

        assert (answer.status_code, answer.json()["code"]) == (503, "STATISTICS_INCOMPLETE")
        assert answer.headers["retry-after"]
        assert _balance(bridge.http.get("/metrics").text) is None
        assert bridge.http.get("/readyz").status_code == 200


def test_the_metric_counts_mailings_that_do_not_add_up() -> None:
    wrong = table()
    wrong.take(row(2, pending=5))
    with running(statistics=wrong) as bridge:
        assert _balance(bridge.http.get("/metrics").text) == 1


def test_a_real_mailing_is_listed_soon_and_balances(stack: Stack) -> None:
    name = "=a listed mailing"
    mailing = stack.mailing(name=name)
    ids = mailing.ids(
        '[{"email":"s1@example.org"},{"email":"s2@example.org"},'
        '{"email":"s3@example.org","status":0},{"email":"s1@example.org"}]'
    )
    assert mailing.call(f"[{ids[1] + 1024}]").status_code == 404
    mailing.mailed()
    mailing.ids('[{"email":"s1@example.org"}]')

    def listed() -> list[dict[str, object]]:
        answer = stack.http.get(LIST, params={"orgid": 2, "mid": mailing.mid})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, object]] = answer.json()["mailings"]
        return found if found and found[0]["sent"] == 2 and found[0]["triggered"] == 6 else []

    (found,) = eventually(listed)
    wanted = mailing.counters()
    assert {key: found[key] for key in found.keys() & wanted.keys()} == {
        key: wanted[key] for key in found.keys() & wanted.keys()
    }
    assert (found["duplicates"], found["suppressed"], found["rejected"]) == (1, 1, 1)
    assert (found["pending"], found["name"]) == (1, name)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:.]+Z", str(found["asOf"]))
    assert _balance(stack.http.get("/metrics").text) == 0
    text = stack.http.get(f"{LIST}.csv", params={"orgid": 2, "mid": mailing.mid}).text
    assert f"'{name}" in text


def _balance(exposition: str) -> float | None:
    found = re.search(r"^mailing_trigger_balance_off (\S+)$", exposition, re.MULTILINE)
    return float(found[1]) if found else None
