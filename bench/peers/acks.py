"""An Acknowledgement with one reply in it, which is what the peers write of each event."""

from __future__ import annotations

from schemas.framing import Framing
from schemas.records import ACKNOWLEDGEMENT
from schemas.varint import encode_bytes, encode_long

# One call, and the end of the calls.
HEAD = Framing().prefixes[ACKNOWLEDGEMENT] + encode_long(1)
TAIL = b"\x00\x00"
_ONE_ENTRY = encode_long(1)


def reply(request_id: str, index: int, rid: int, outcome: int) -> bytes:
    """Return the record."""
    return b"".join(
        (
            HEAD,
            encode_bytes(request_id.encode()),
            _ONE_ENTRY,
            encode_long(index),
            encode_long(rid),
            encode_long(outcome),
            TAIL,
        )
    )
