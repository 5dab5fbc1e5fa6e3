"""IDs are written alike in three formats, read here by somebody else's readers."""

from __future__ import annotations

import csv
import io
import json
from xml.etree import ElementTree as ET

import pytest

from producers.contract.answers import EntryOutcome
from producers.contract.formats import AnswerFormat, write_ids, write_outcomes

IDS = [[], [1025], [2**53 - 1, 7, 7]]

ROWS = [
    EntryOutcome(0, 2**53 - 1, "created", None),
    EntryOutcome(1, 1025, "suppressed", "UNSUBSCRIBED"),
    EntryOutcome(2, None, "rejected", "UNKNOWN_RECIPIENT"),
]
CELLS = [
    {"index": "0", "rid": str(2**53 - 1), "outcome": "created", "reason": ""},
    {"index": "1", "rid": "1025", "outcome": "suppressed", "reason": "UNSUBSCRIBED"},
    {"index": "2", "rid": "", "outcome": "rejected", "reason": "UNKNOWN_RECIPIENT"},
]


@pytest.mark.parametrize("ids", IDS)
def test_json(ids: list[int]) -> None:
    assert json.loads(write_ids(ids, AnswerFormat.JSON)) == ids


@pytest.mark.parametrize("ids", IDS)
def test_xml(ids: list[int]) -> None:
    root = ET.fromstring(write_ids(ids, AnswerFormat.XML))  # noqa: S314 - our own text
    assert root.tag == "rids"
    assert [(child.tag, int(child.text or "")) for child in root] == [("rid", rid) for rid in ids]


@pytest.mark.parametrize("ids", IDS)
def test_csv(ids: list[int]) -> None:
    text = write_ids(ids, AnswerFormat.CSV).decode()
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert rows == [["rid"], *([str(rid)] for rid in ids)]


def test_each_format_names_its_media_type() -> None:
    assert [name.media_type.partition(";")[0] for name in AnswerFormat] == [
        "application/json",
        "application/xml",
        "text/csv",
    ]


def test_outcomes_in_json() -> None:
    rows = json.loads(write_outcomes(ROWS, AnswerFormat.JSON))
    assert rows[1:] == [
        {"index": 1, "rid": 1025, "outcome": "suppressed", "reason": "UNSUBSCRIBED"},
        {"index": 2, "rid": None, "outcome": "rejected", "reason": "UNKNOWN_RECIPIENT"},
    ]
    assert (rows[0]["rid"], rows[0]["reason"]) == (2**53 - 1, None)


def test_outcomes_in_xml() -> None:
    root = ET.fromstring(write_outcomes(ROWS, AnswerFormat.XML))  # noqa: S314 - our own text
    assert root.tag == "entries"
    assert [{cell.tag: cell.text for cell in row} for row in root] == [
        {name: cell for name, cell in row.items() if cell} for row in CELLS
    ]


def test_outcomes_in_csv() -> None:
    text = write_outcomes(ROWS, AnswerFormat.CSV).decode()
    assert [*csv.DictReader(io.StringIO(text, newline=""), strict=True)] == CELLS
