"""The rows of a file, whatever its kind, each read by the rules of a trigger call."""

from __future__ import annotations

import csv
import sys
from contextlib import nullcontext
from io import TextIOWrapper
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

import fastavro

from producers.contract import fields
from producers.contract.entries import TriggerCall
from producers.contract.errors import Code, ContractError, EntryError
from producers.contract.recipients import read_call, read_recipients
from producers.errors import ClientError
from schemas.topics import MAX_EVENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

STDIN = "-"
DELIMITERS = ",;\t|"
MAX_LINE_BYTES = 2 * MAX_EVENT_BYTES

_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"


class FileUnreadable(ClientError):
    """The file is not what its name says, as a whole; the text is one line."""


class Source(Protocol):
    """A file whose rows can be counted off without reading them, and read."""

    def rows(self) -> Iterator[tuple[int, Any]]:
        """Yield each row raw, with the number a person finds it by."""

    def read(self, raw: Any) -> TriggerCall:
        """Return the call of one entry that a row makes; ContractError when it makes none."""


def open_source(path: str, file: IO[bytes]) -> Source:
    """Return the rows of *file*, whose kind *path* tells."""
    if path == STDIN:
        return JsonLines(file)
    suffix = Path(path).suffix.lower()
    if suffix not in _KINDS:
        kinds = ", ".join(_KINDS)
        raise FileUnreadable(f"{path}: a file of recipients ends in one of {kinds}")
    return _KINDS[suffix](file)


def open_bytes(path: str) -> AbstractContextManager[IO[bytes]]:
    """Open the file at *path*, or standard input, which stays open."""
    return nullcontext(sys.stdin.buffer) if path == STDIN else Path(path).open("rb")


class JsonLines:
    """One recipient a line, as JSON; empty lines are no rows."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def rows(self) -> Iterator[tuple[int, bytes | None]]:
        number = 0
        while line := self._file.readline(MAX_LINE_BYTES):
            number += 1
            if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
                while (rest := self._file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                    pass
                yield number, None
            elif line.strip():
                yield number, line

    def read(self, raw: bytes | None) -> TriggerCall:
        if raw is None:
            return refused(Code.ENTRY_TOO_LARGE, f"a line has at most {MAX_LINE_BYTES} bytes")
        call = read_call(raw, content_type=_JSON)
        if call.size != 1:
            return refused(Code.INVALID_ENTRY, "a line holds one recipient")
        return call


class CommaSeparated:
    """A header with field names, then a recipient a row; an empty cell is an absent field.

    A row is read like a form body: `context.header` is a member of `context`.
    """

    def __init__(self, file: IO[bytes]) -> None:
        # What is not UTF-8 becomes one row's error later, not the end of the file.
        self._file = TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
        header = self._file.readline()
        self._delimiter = max(DELIMITERS, key=header.count) if header else ","
        self._names = [name.strip() for name in next(csv.reader([header], self._dialect), [])]
        unknown = [name for name in self._names if fields.find(name.partition(".")[0]) is None]
        if unknown or not self._names:
            shown = fields.shown(unknown[0]) if unknown else ""
            raise FileUnreadable(f"the first line must name fields, and {shown!r} is none")

    def rows(self) -> Iterator[tuple[int, list[str] | None]]:
        csv.field_size_limit(MAX_EVENT_BYTES)
        reader = csv.reader(self._file, self._dialect)
        while True:
            # The header is line 1; a quoted cell may hold line breaks.
            number = reader.line_num + 2
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error:
                yield number, None
            else:
                if row:
                    yield number, row

    def read(self, raw: list[str] | None) -> TriggerCall:
        if raw is None:
            return refused(Code.MALFORMED_BODY, "the row cannot be read as CSV")
        if len(raw) > len(self._names):
            return refused(Code.INVALID_ENTRY, "the row has more cells than the header")
        cells = [pair for pair in zip(self._names, raw, strict=False) if pair[1]]
        form = urlencode(cells, errors="surrogateescape")
        return read_call(form.encode(), content_type=_FORM)

    @property
    def _dialect(self) -> type[csv.Dialect]:
        delimiter = self._delimiter

        class Found(csv.excel):
            pass

        Found.delimiter = delimiter
        return Found


class AvroFile:
    """An Avro container file of records with our field names."""

    def __init__(self, file: IO[bytes]) -> None:
        try:
            self._reader = fastavro.reader(file)
        except (ValueError, EOFError, KeyError) as exc:
            raise FileUnreadable("this is no Avro container file") from exc

    def rows(self) -> Iterator[tuple[int, Any]]:
        number = 0
        try:
            for record in self._reader:
                number += 1
                yield number, record
        except (ValueError, EOFError, IndexError) as exc:
            raise FileUnreadable(f"the file is damaged after record {number}") from exc

    def read(self, raw: int | Mapping[str, object]) -> TriggerCall:
        return read_recipients([raw])


_KINDS: dict[str, Callable[[IO[bytes]], Source]] = {
    ".csv": CommaSeparated,
    ".jsonl": JsonLines,
    ".ndjson": JsonLines,
    ".avro": AvroFile,
}


def read_row(source: Source, raw: Any) -> TriggerCall:
    """Return the call of one entry that a row makes, or of one error."""
    try:
        return source.read(raw)
    except ContractError as exc:
        return refused(exc.code, exc.detail)


def refused(code: str, detail: str) -> TriggerCall:
    """Return the call of one entry that could not be read."""
    return TriggerCall((), (EntryError(0, None, code, detail),), 1)
