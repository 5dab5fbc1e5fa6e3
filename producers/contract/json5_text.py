"""From JSON5 to compact JSON, token by token, so that numbers keep their digits.

pyjson5 is the judge of what JSON5 is and of what its strings say. It keeps the last of two members
of one name and makes `1.10` a float, so its values are not used: the text is written anew instead.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyjson5

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = re.compile(
    r"""
    (?P<blank>[\s\ufeff]+|//[^\n\r\u2028\u2029]*|/\*.*?\*/)
    |(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<mark>[\[\]{}:,])
    |(?P<word>[^\s\ufeff\[\]{}:,"'/]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(
    r"(?P<sign>[+-]?)"
    r"(?:(?P<hex>0[xX][0-9a-fA-F]+)|(?P<whole>[0-9]*)(?P<part>\.[0-9]*)?(?P<power>[eE][+-]?[0-9]+)?)"
)
# Python writes integers of up to 4300 decimal digits.
MAX_HEX_DIGITS = 3500
_NOT_FINITE = {"NaN", "Infinity"}
_LITERALS = {"true", "false", "null"}


@dataclass(frozen=True, slots=True)
class Json5Text:
    """Compact JSON, with null where JSON has no number; *not_finite*: entry index -> its field."""

    text: bytes
    not_finite: Mapping[int, str | None]


class TooDeep(ValueError):
    """The text nests deeper than allowed."""


def to_json(text: str, *, max_depth: int) -> Json5Text:
    """Return *text* as compact JSON; raise ValueError when it is not JSON5."""
    try:
        pyjson5.decode(text, max_depth)
    except pyjson5.Json5NestingTooDeep as exc:
        raise TooDeep(str(exc.args[0])) from exc
    except pyjson5.Json5DecoderException as exc:
        raise ValueError(str(exc.args[0])) from exc
    return _Writer(text).write()


class _Writer:
    """One pass over the tokens of a text that pyjson5 has accepted."""

    def __init__(self, text: str) -> None:
        found = [
            (str(match.lastgroup), match[0])
            for match in _TOKEN.finditer(text)
            if match.lastgroup != "blank"
        ]
        self._tokens = [*found, ("end", "")]
        # Members of an entry lie one level deeper in an array of entries.
        self._entry_depth = 2 if found[0][1] == "[" else 1
        self._depth = 0
        self._index = 0
        self._field: str | None = None
        self._not_finite: dict[int, str | None] = {}

    def write(self) -> Json5Text:
        out: list[str] = []
        for place, (kind, piece) in enumerate(self._tokens[:-1]):
            _, following = self._tokens[place + 1]
            if kind == "mark":
                if piece != "," or following not in {"]", "}"}:
                    out.append(piece)
                self._mark(piece)
            elif following == ":":
                name = pyjson5.decode(piece) if kind == "text" else _name(piece)
                if self._depth == self._entry_depth:
                    self._field = name
                out.append(_quoted(name))
            elif kind == "text":
                out.append(_quoted(pyjson5.decode(piece)))
            else:
                out.append(self._word(piece))
        return Json5Text("".join(out).encode(), self._not_finite)

    def _mark(self, piece: str) -> None:
        if piece in "[{":
            self._depth += 1
        elif piece in "]}":
            self._depth -= 1
        elif piece == "," and self._depth == 1 and self._entry_depth == 2:
            self._index += 1
            self._field = None

    def _word(self, piece: str) -> str:
        if piece in _LITERALS:
            return piece
        if piece.lstrip("+-") in _NOT_FINITE:
            self._not_finite.setdefault(self._index, self._field)
            return "null"
        return _number(piece)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _name(piece: str) -> str:
    if "\\" not in piece:
        return piece
    (name,) = pyjson5.decode(f"{{{piece}:0}}")
    return str(name)


def _number(piece: str) -> str:
    """Return the JSON spelling of a JSON5 number: `+.5` is `0.5`, `0x1F` is `31`."""
    found = _NUMBER.fullmatch(piece)
    if found is None:
        raise ValueError("a number is malformed")
    sign = "-" if found["sign"] == "-" else ""
    if found["hex"]:
        if len(found["hex"]) > MAX_HEX_DIGITS:
            raise ValueError("a hexadecimal number is too long")
        return sign + str(int(found["hex"], 16))
    part = found["part"] or ""
    if part == ".":
        part = ".0"
    return f"{sign}{found['whole'] or '0'}{part}{found['power'] or ''}"
