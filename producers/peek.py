"""Read the first fields of a framed record without decoding the rest of it.

Sound because Avro writes fields one after another without marks, and because every schema of these
records begins alike: events with orgid, mid, request_id, index; answers with request_id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.errors import BadRecord
from schemas.varint import decode_long

if TYPE_CHECKING:
    from schemas.framing import Framing


def request_of_answer(framing: Framing, value: bytes | None) -> str:
    """Return the request_id of an answer of either kind; 1.7 us against 9.6 us decoded."""
    return _peek(framing, value, numbers=0)[0]


def place_of_event(framing: Framing, value: bytes | None) -> tuple[str, int]:
    """Return the request_id and index of an event of the log."""
    request_id, rest, at = _peek(framing, value, numbers=2)
    return request_id, decode_long(rest, at)[0]


def _peek(framing: Framing, value: bytes | None, *, numbers: int) -> tuple[str, bytes, int]:
    """Return the string after *numbers* numbers, the record, and the position after the string."""
    _, at = framing.split(value)
    assert value is not None  # noqa: S101 - split refuses an absent value
    try:
        for _ in range(numbers):
            _, at = decode_long(value, at)
        size, at = decode_long(value, at)
        if not 0 <= size <= len(value) - at:
            raise BadRecord("TRUNCATED", "the record ends inside its request_id")
        return value[at : at + size].decode(), value, at + size
    except (IndexError, ValueError) as exc:
        raise BadRecord("TRUNCATED", "the record's first fields are not what they must be") from exc
