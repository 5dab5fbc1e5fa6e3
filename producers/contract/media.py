"""What kind of body a Content-Type announces."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache

from producers.contract.errors import Code, ContractError


class Kind(Enum):
    """How a body is written."""

    JSON = "application/json"
    FORM = "application/x-www-form-urlencoded"


@lru_cache(maxsize=64)
def kind_of(content_type: str | None) -> Kind:
    """Return the kind *content_type* says; none means JSON. Raises ContractError (415)."""
    if content_type is None or not content_type.strip():
        return Kind.JSON
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    try:
        kind = Kind(media_type)
    except ValueError:
        detail = f"the body has to be {Kind.JSON.value} or {Kind.FORM.value}"
        raise ContractError(415, Code.UNSUPPORTED_TYPE, detail) from None
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in {"utf-8", "utf8"}:
            raise ContractError(415, Code.UNSUPPORTED_CHARSET, "the body has to be UTF-8")
    return kind
