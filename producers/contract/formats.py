"""The IDs of an answer, or what became of each entry, as JSON, XML or CSV."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producers.contract.answers import EntryOutcome


class AnswerFormat(StrEnum):
    """How an answer is written; also the suffixes of the path."""

    JSON = "json"
    XML = "xml"
    CSV = "csv"

    @property
    def media_type(self) -> str:
        """The Content-Type of an answer in this format."""
        return _MEDIA_TYPES[self]


_MEDIA_TYPES = {
    AnswerFormat.JSON: "application/json",
    AnswerFormat.XML: "application/xml",
    AnswerFormat.CSV: "text/csv; charset=utf-8; header=present",
}


def write_ids(ids: Sequence[int], answer_format: AnswerFormat) -> bytes:
    """Return the IDs of a successful call, in the order given."""
    if answer_format is AnswerFormat.XML:
        rows = "".join(f"<rid>{rid}</rid>" for rid in ids)
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<rids>{rows}</rids>\n'.encode()
    if answer_format is AnswerFormat.CSV:
        # RFC 4180: a header, and CRLF after each line.
        return "".join(f"{row}\r\n" for row in ("rid", *ids)).encode()
    return f"[{','.join(map(str, ids))}]".encode()


def write_outcomes(rows: Sequence[EntryOutcome], answer_format: AnswerFormat) -> bytes:
    """Return what became of each entry, in the order given.

    None of the texts has a character that XML or CSV would have to escape.
    """
    if answer_format is AnswerFormat.JSON:
        return msgspec.json.encode(rows)
    if answer_format is AnswerFormat.CSV:
        lines = ("index,rid,outcome,reason", *(",".join(_cells(row)) for row in rows))
        return "".join(f"{line}\r\n" for line in lines).encode()
    names = ("index", "rid", "outcome", "reason")
    entries = "".join(
        f"<entry>{''.join(f'<{n}>{c}</{n}>' for n, c in zip(names, _cells(row), strict=True) if c)}"
        "</entry>"
        for row in rows
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<entries>{entries}</entries>\n'.encode()


def _cells(row: EntryOutcome) -> tuple[str, str, str, str]:
    rid = "" if row.rid is None else str(row.rid)
    return str(row.index), rid, row.outcome, row.reason or ""
