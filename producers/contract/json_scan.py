"""Looking at JSON text without building what it says: how deep, how many, and where each part is.

The fast reader (msgspec) refuses lone surrogate escapes, which JSON's grammar allows, and keeps
the last of two members of one name. What is here is exact about both, and slower.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BRACKETS = b"[]{}"
_NOT_BRACKETS = bytes(set(range(256)) - set(_BRACKETS + b'"'))
_NOT_BRACKETS_OR_COMMAS = bytes(set(range(256)) - set(_BRACKETS + b'",'))
_ONE_KIND = bytes.maketrans(b"{}", b"[]")


def _nested(depth: int) -> re.Pattern[bytes]:
    """Return the pattern of brackets within brackets; it never goes back, so it is linear."""
    pattern = rb"\[,*+\]"
    for _ in range(depth - 1):
        pattern = rb"\[(?:,++|" + pattern + rb")*+\]"
    return re.compile(pattern)


_ARRAY = _nested(64)
_ITEM = _nested(63)
_SPACE = re.compile(r"[ \t\n\r]*")


def deeper_than(text: bytes, limit: int) -> bool:
    """Whether arrays and objects in JSON *text* nest deeper than *limit*; strings do not count.

    Only C loops over the text, one for each level there is.
    """
    if text.count(b"[") + text.count(b"{") <= limit:
        return False
    rest = _structure(text, _NOT_BRACKETS)
    run = b"[" * (limit + 1)
    # Invariant: each round takes away the innermost level, so the height falls by one.
    for _ in range(limit):
        if run in rest:
            return True
        shorter = rest.replace(b"[]", b"")
        if len(shorter) == len(rest):
            return False  # empty, or not balanced: the parser will say so
        rest = shorter
    return bool(rest)


def count_items(text: bytes) -> int:
    """Return how many items the array *text* has, at least one, without making any.

    *text* is not deeper than 64; raise ValueError when its brackets do not match.
    """
    rest = _structure(text, _NOT_BRACKETS_OR_COMMAS)
    if _ARRAY.fullmatch(rest) is None:
        raise ValueError("brackets do not match")
    return len(_ITEM.sub(b"", rest[1:-1])) + 1


def _structure(text: bytes, noise: bytes) -> bytes:
    """Return the brackets outside strings, all of one kind."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside = text.translate(None, noise).replace(b'""', b"").split(b'"')[::2]
    return b"".join(outside).translate(_ONE_KIND)


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


# Numbers stay text: a number of a million digits costs no more than a string of them.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse)


def items(text: str) -> list[str]:
    """Return the text of each item of a JSON array; raise ValueError when it is not one."""
    return [item for _, item in _parts(text, "[", "]")]


def members(text: str) -> list[tuple[str, str]]:
    """Return name and text of each member of a JSON object, doubled ones too, or ValueError."""
    return list(_parts(text, "{", "}"))


def value(text: str) -> str:
    """Return the text of a JSON value without the white space around it, or ValueError."""
    start = _after_space(text, 0)
    _, end = _DECODER.raw_decode(text, start)
    _expect_end(text, end)
    return text[start:end]


def _parts(text: str, opening: str, closing: str) -> Iterator[tuple[str, str]]:
    at = _expect(text, _after_space(text, 0), opening)
    if text[at : at + 1] == closing:
        _expect_end(text, at + 1)
        return
    while True:
        name = ""
        if opening == "{":
            name, at = _DECODER.raw_decode(text, at)
            if text[at - 1] != '"':
                raise ValueError("a name in quotes is missing")
            at = _expect(text, _after_space(text, at), ":")
        start = at
        _, at = _DECODER.raw_decode(text, start)
        yield name, text[start:at]
        at = _after_space(text, at)
        if text[at : at + 1] == closing:
            _expect_end(text, at + 1)
            return
        at = _expect(text, at, ",")


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _expect(text: str, at: int, mark: str) -> int:
    if text[at : at + 1] != mark:
        raise ValueError(f"{mark} is missing (character {at})")
    return _after_space(text, at + 1)


def _expect_end(text: str, at: int) -> None:
    if _after_space(text, at) != len(text):
        raise ValueError(f"trailing characters (character {at})")
