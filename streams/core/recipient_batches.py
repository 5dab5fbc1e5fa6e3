"""Recipients in the changelog: those that one transaction created, many to a record.

Reading and writing are by hand: a restore does it for everybody. `tests/property/
test_fast_paths.py` holds both to fastavro.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.framing import SINGLE_OBJECT_BYTES, Framing
from schemas.records import RECIPIENT_BATCH
from schemas.varint import LONGS, decode_long, encode_long

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Larger ones would save nothing more, and are all a compaction or a correction can take away.
_BATCH_BYTES: Final = 64 * 1024
_FRAME: Final = Framing().prefixes[RECIPIENT_BATCH]
_PARTS: Final = 4


def recipient_batches(recipients: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the changelog records of recipients, which are (log key, framed RecipientState)."""
    parts: list[bytes] = []
    size = 0
    for key, value in recipients:
        key_size, value_size = len(key), len(value)
        parts += (
            LONGS[key_size] if key_size < len(LONGS) else encode_long(key_size),
            key,
            LONGS[value_size] if value_size < len(LONGS) else encode_long(value_size),
            value,
        )
        size += key_size + value_size
        if size >= _BATCH_BYTES:
            yield _record(parts)
            parts, size = [], 0
    if parts:
        yield _record(parts)


def _record(parts: list[bytes]) -> tuple[bytes, bytes]:
    # A rid is given once, so the first one's is a name that no other batch has.
    rid, _ = decode_long(parts[_PARTS - 1], SINGLE_OBJECT_BYTES)
    count = encode_long(len(parts) // _PARTS)
    return b"b:%d" % rid, b"".join((_FRAME, count, *parts, b"\x00"))


def read_recipients(value: bytes) -> tuple[list[bytes], list[bytes]]:
    """Return log keys and framed RecipientStates of a framed RecipientBatch of today's schema."""
    keys: list[bytes] = []
    values: list[bytes] = []
    at = SINGLE_OBJECT_BYTES
    while True:
        count, at = decode_long(value, at)
        if count == 0:
            return keys, values
        if count < 0:
            # Avro's other form of a block: its size in bytes follows.
            count = -count
            _, at = decode_long(value, at)
        for _ in range(count):
            at, end = _span(value, at)
            keys.append(value[at:end])
            at, end = _span(value, end)
            values.append(value[at:end])
            at = end


def _span(data: bytes, at: int) -> tuple[int, int]:
    """Return where the bytes at *at* begin and end."""
    size = data[at]
    if size < 0x80:
        return at + 1, at + 1 + (size >> 1)
    more = data[at + 1]
    if more < 0x80:
        return at + 2, at + 2 + ((size & 0x7F | more << 7) >> 1)
    length, at = decode_long(data, at)
    return at, at + length
