"""The `Idempotency-Key` header of the IETF's draft-ietf-httpapi-idempotency-key-header."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from producers.contract.errors import Code, ContractError
from schemas.calls import MAX_KEY_CHARS

if TYPE_CHECKING:
    from collections.abc import Sequence

# A string of RFC 8941, or bare, as many callers write it.
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_BARE = re.compile(r"[!#-+\--:<-~]+")


def read_key(headers: Sequence[str]) -> str | None:
    """Return the key that the values of all such headers say; ContractError (400)."""
    if not headers:
        return None
    text = headers[0].strip()
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        key = re.sub(r'\\(["\\])', r"\1", quoted[1])
    else:
        key = text if _BARE.fullmatch(text) else ""
    if len(headers) > 1 or not 1 <= len(key) <= MAX_KEY_CHARS:
        detail = f"Idempotency-Key is one string of 1 to {MAX_KEY_CHARS} printable characters"
        raise ContractError(400, Code.INVALID_KEY, detail)
    return key
