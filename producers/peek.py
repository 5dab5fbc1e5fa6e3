"""Read the first fields of a framed event without decoding the rest of it.

Sound because Avro writes fields one after another without marks, and because every schema of an
event begins alike: orgid, the mailing's or recipient's number, request_id, index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.errors import BadRecord
from schemas.varint import decode_long

if TYPE_CHECKING:
    from schemas.framing import Framing


def place_of_event(framing: Framing, value: bytes | None) -> tuple[str, int]:
    """Return the request_id and index of an event of the log."""
    _, at = framing.split(value)
    assert value is not None  # noqa: S101 - split refuses an absent value
    try:
        _, at = decode_long(value, at)
        _, at = decode_long(value, at)
        size, at = decode_long(value, at)
        if not 0 <= size <= len(value) - at:
            raise BadRecord("TRUNCATED", "the record ends inside its request_id")
        return value[at : at + size].decode(), decode_long(value, at + size)[0]
    except (IndexError, ValueError) as exc:
        raise BadRecord("TRUNCATED", "the record's first fields are not what they must be") from exc
