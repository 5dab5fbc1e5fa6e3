"""From the three forms a recipient may have to the entries of a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from producers.contract.entries import Entry, KnownEntry, OnTheFlyEntry, TriggerCall
from producers.contract.errors import ContractError, EntryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "ContractError",
    "Entry",
    "EntryError",
    "KnownEntry",
    "OnTheFlyEntry",
    "TriggerCall",
    "read_call",
    "read_recipients",
]


def read_call(body: bytes, *, content_type: str | None) -> TriggerCall:
    """Return what *body* says; raise ContractError when it cannot be read as a whole."""
    raise NotImplementedError


def read_recipients(recipients: Iterable[int | Mapping[str, object]]) -> TriggerCall:
    """Return the call that *recipients* make, by the rules of a body, on Python values.

    A `context` may be any JSON value, or bytes: JSON text that is handed on unchanged.
    """
    raise NotImplementedError
