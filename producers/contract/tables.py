"""Rows of named values as JSON, XML or CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from producers.contract.formats import AnswerFormat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Row = Mapping[str, object]

# What spreadsheets take for the beginning of a formula (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REPLACEMENT = "\ufffd"


def write_rows(
    rows: Sequence[Row], columns: Sequence[str], total: int, answer_format: AnswerFormat
) -> bytes:
    """Return *rows*, a part of *total*, which CSV has no place for."""
    if answer_format is AnswerFormat.XML:
        lines = "".join(f"<mailing>{''.join(map(_element, row.items()))}</mailing>" for row in rows)
        head = '<?xml version="1.0" encoding="UTF-8"?>\n'
        return f'{head}<mailings total="{total}">{lines}</mailings>\n'.encode()
    if answer_format is AnswerFormat.CSV:
        out = io.StringIO()
        # RFC 4180: a header, and CRLF after each line.
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow(columns)
        writer.writerows([_cell(row[name]) for name in columns] for row in rows)
        return out.getvalue().encode()
    document = {"total": total, "mailings": rows}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _element(member: tuple[str, object]) -> str:
    name, value = member
    if value is None:
        return f"<{name}/>"
    # XML has no way to write these, and other programs may have named a mailing so.
    return f"<{name}>{escape(_NOT_XML.sub(_REPLACEMENT, str(value)))}</{name}>"


def _cell(value: object) -> object:
    """Return a cell that no spreadsheet calculates: an apostrophe makes it a text."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value
