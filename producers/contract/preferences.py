"""What a caller would rather have: the `Prefer` header of RFC 7240, as far as it is known here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - the RFC's word
_WORD = rf'{_TOKEN}|"(?:[^"\\]|\\.)*"'
# A preference and its parameters, of which none is known here, up to the comma.
_PREFERENCE = re.compile(
    rf'\s*({_TOKEN})\s*(?:=\s*({_WORD}))?\s*(?:;(?:"(?:[^"\\]|\\.)*"|[^",])*)?'
)


@dataclass(frozen=True, slots=True)
class Preferences:
    """What is preferred, of what can be given."""

    outcomes: bool = False
    """`return=representation`: tell what became of each entry, not its ID alone."""
    respond_async: bool = False
    """`respond-async`: answer when the call is in the log, and the rest later."""


NONE = Preferences()


def read_preferences(headers: Sequence[str]) -> Preferences:
    """Return what the values of all `Prefer` headers say; what is not understood is no error."""
    return _read(",".join(headers)) if headers else NONE


@lru_cache(maxsize=64)  # a caller prefers the same again and again
def _read(text: str) -> Preferences:
    given: dict[str, str] = {}
    at = 0
    while at < len(text):
        found = _PREFERENCE.match(text, at)
        if found is not None:
            # Of one that is given twice the first counts.
            given.setdefault(found[1].lower(), (found[2] or "").strip('"').lower())
            at = found.end()
        # On to the next one, also from what is none.
        comma = text.find(",", at)
        at = len(text) if comma < 0 else comma + 1
    return Preferences(
        outcomes=given.get("return") == "representation",
        respond_async="respond-async" in given,
    )
