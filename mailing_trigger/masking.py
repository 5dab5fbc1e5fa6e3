"""Secrets as `***`, wherever settings are shown."""

from __future__ import annotations

import re
from collections.abc import Mapping

MASK = "***"
_SECRET = re.compile(r"password|secret|\.pem$|token|sasl\.oauthbearer\.config|jaas", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def masked(name: str, value: object) -> object:
    """Return *value*, or the mask when *name* says that it is a secret; URLs lose their user."""
    if isinstance(value, Mapping):
        return {inner: masked(inner, held) for inner, held in value.items()}
    if value and _SECRET.search(name):
        return MASK
    return _USERINFO.sub(MASK, value) if isinstance(value, str) else value


def masked_address(email: str) -> str:
    """Return the first letters of both parts and the last label: enough to recognise one's own."""
    local, _, domain = email.rpartition("@")
    name, _, top = domain.rpartition(".")
    return f"{local[:1]}{MASK}@{name[:1]}{MASK}.{top}" if name else f"{local[:1]}{MASK}@{MASK}"
