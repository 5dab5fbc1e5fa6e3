"""The IDs of an answer as JSON, XML or CSV."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


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
