"""Avro's variable-length numbers, for the few places that write or read records by hand.

Source: Avro specification 1.12, "Binary encoding": zig-zag, seven bits a byte, low bits first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from librt.strings import BytesWriter
    from mypy_extensions import i64

# Ten bytes of seven bits hold a long. Unbounded, bytes with the high bit set would be one number as
# long as the record, read in quadratic time.
_LAST_SHIFT: Final = 63

_MORE: Final = [bytes((n & 0x7F | 0x80, n >> 7 | 0x80)) for n in range(1 << 14)]
_LAST: Final = [
    bytes((n,)) if n < 0x80 else bytes((n & 0x7F | 0x80, n >> 7)) for n in range(1 << 14)
]


def encode_long(number: int) -> bytes:
    """Return *number* as Avro writes an int or a long."""
    rest = number << 1 if number >= 0 else (-number << 1) - 1
    if rest < 1 << 14:
        return _LAST[rest]
    out = b""
    while rest >= 1 << 14:
        out += _MORE[rest & 0x3FFF]
        rest >>= 14
    return out + _LAST[rest]


def write_size(out: BytesWriter, size: i64) -> None:
    """Append a length, or another number that is not negative, as Avro writes an int or a long."""
    rest = size << 1
    while rest >= 0x80:
        byte: int = rest & 0x7F | 0x80
        out.append(byte)
        rest >>= 7
    last: int = rest
    out.append(last)


def decode_long(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at *at* and the position after it.

    IndexError past the end, ValueError when it does not end where a long must.
    """
    byte = data[at]
    at += 1
    rest = byte & 0x7F
    shift = 7
    while byte & 0x80:
        if shift > _LAST_SHIFT:
            raise ValueError("more than ten bytes for one number")
        byte = data[at]
        at += 1
        rest |= (byte & 0x7F) << shift
        shift += 7
    return (rest >> 1) ^ -(rest & 1), at


def span_of(data: bytes, at: int) -> tuple[int, int]:
    """Return where the bytes or the string at *at* begin and end; the end may lie past *data*'s.

    IndexError and ValueError as `decode_long`, ValueError for a negative length.
    """
    # Nearly every length takes one byte or two; only these cases are written out.
    size = data[at]
    if size < 0x80:
        at += 1
    elif (more := data[at + 1]) < 0x80:
        size = size & 0x7F | more << 7
        at += 2
    else:
        size, at = decode_long(data, at)
        size <<= 1
    if size & 1 or size < 0:
        raise ValueError("a negative length")
    return at, at + (size >> 1)


def encode_bytes(data: bytes) -> bytes:
    """Return *data* as Avro writes bytes or a string."""
    return encode_long(len(data)) + data


def decode_text(data: bytes) -> str:
    """Return the string that begins *data*, as Avro writes one."""
    at, end = span_of(data, 0)
    return data[at:end].decode()
