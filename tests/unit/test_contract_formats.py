"""IDs are written alike in three formats, read here by somebody else's readers."""

from __future__ import annotations

import csv
import io
import json
from xml.etree import ElementTree as ET

import pytest

from producers.contract.formats import AnswerFormat, write_ids

IDS = [[], [1025], [2**53 - 1, 7, 7]]


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
