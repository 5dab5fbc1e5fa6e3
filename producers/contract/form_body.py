"""From a form body to the members of its one entry."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from producers.contract import fields
from producers.contract.errors import Code, ContractError, Refused
from producers.contract.json_body import MAX_DEPTH
from schemas.topics import MAX_EVENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_INTEGER = re.compile("-?[0-9]{1,18}")
# What fits an event fits this: at worst three bytes of a form stand for one.
MAX_FORM_BYTES = 3 * MAX_EVENT_BYTES
# These hold names of their own, reached with dots.
_TREES = {field.name.lower() for field in (fields.CONTEXT, fields.PROFILE_DATA)}
# These are not strings, yet a form has nothing else.
_NUMBERS = {"rid", "status", "contentType"}
_FLAGS = {"true": True, "false": False}

Tree = dict[str, "str | Tree"]


def members(body: bytes) -> Sequence[tuple[str, object]]:
    """Return name and value of each field; `context.header=XYZ` is a member of `context`.

    Raises Refused for what only this entry is to blame for, ContractError for what is no form.
    """
    if len(body) > MAX_FORM_BYTES:
        raise Refused(Code.ENTRY_TOO_LARGE, "the recipient does not fit one event")
    found: list[tuple[str, object]] = []
    trees: dict[str, Tree] = {}
    for name, value in _pairs(body.decode()):
        head, dot, path = name.partition(".")
        tree_name = head.lower()
        if dot and tree_name in _TREES:
            if tree_name not in trees:
                trees[tree_name] = {}
                found.append((head, trees[tree_name]))
            _plant(trees[tree_name], path.split("."), value, field=head)
        else:
            found.append((name, _typed(name, value)))
    return found


def _pairs(text: str) -> list[tuple[str, str]]:
    if not text.strip():
        raise ContractError(400, Code.MALFORMED_BODY, "the body is empty")
    if text.lstrip().startswith(("[", "{")):
        # What curl sends where nobody names a type.
        detail = "the body looks like JSON and came as a form: send Content-Type: application/json"
        raise ContractError(400, Code.MALFORMED_BODY, detail)
    if _BAD_ESCAPE.search(text):
        detail = "a percent sign is not followed by two hexadecimal digits"
        raise ContractError(400, Code.MALFORMED_BODY, detail)
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise ContractError(400, Code.MALFORMED_TEXT, "the body is not UTF-8") from None


def _plant(tree: Tree, path: list[str], value: str, *, field: str) -> None:
    # The entry and the field are levels too.
    if len(path) + 2 > MAX_DEPTH:
        raise ContractError(400, Code.TOO_DEEP, f"the body is nested deeper than {MAX_DEPTH}")
    for step in path[:-1]:
        branch = tree.setdefault(step, {})
        if isinstance(branch, str):
            raise _repeated(field)
        tree = branch
    if path[-1] in tree:
        raise _repeated(field)
    tree[path[-1]] = value


def _repeated(field: str) -> Refused:
    known = fields.find(field)
    name = known.name if known else field
    return Refused(Code.REPEATED_FIELD, "a name in it stands twice", field=name)


def _typed(name: str, value: str) -> object:
    known = fields.find(name)
    if known is None:
        return value
    if known.name in _NUMBERS and _INTEGER.fullmatch(value):
        return int(value)
    if known.name == "smsSubscribed":
        return _FLAGS.get(value.lower(), value)
    return value
