"""The fields the fold needs of a RecipientTriggered event, read by hand.

`read_head` and `profile_is_sound` are the fast twins of fastavro with the schemas of `messages`;
`tests/property/test_fast_paths.py` holds them together. On one core, an event with two names and
a short context: a fifth of the time (``python -m bench.decode``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from schemas.errors import BadRecord
from schemas.varint import decode_long, span_of

if TYPE_CHECKING:
    from mypy_extensions import i64

# The profile begins with this many optional texts; what follows them is of other types.
_TEXTS: Final = 13
# The second branch of a union, as Avro numbers it.
_GIVEN: Final = 2
# A length of one byte, zig-zag, has none of these bits: below 64 and not negative.
_NO_SHORT_LENGTH: Final = 0x81
_DOT: Final = 0x2E


class Head(NamedTuple):
    """The fields up to the address, and where the address and the profile begin in the record.

    *request* is the request's id as Avro writes it, its length before it: so acks carry it.
    """

    orgid: int
    mid: int
    request: bytes
    entry: int
    reply_partition: int
    rid: int
    status: int
    context: bytes
    email: str
    stored_at: int
    profile_at: int


def read_head(data: bytes, at: int) -> Head:
    """Return the head of the event whose body begins at *at*; BadRecord when it is none."""
    try:
        # Every number here is nearly always one byte; only that case is written out.
        if (orgid := data[at]) < 0x80:
            orgid, at = (orgid >> 1) ^ -(orgid & 1), at + 1
        else:
            orgid, at = decode_long(data, at)
        if (mid := data[at]) < 0x80:
            mid, at = (mid >> 1) ^ -(mid & 1), at + 1
        else:
            mid, at = decode_long(data, at)
        request_at = at
        at, end = span_of(data, at)
        request = data[request_at:end]
        if not request.isascii():
            data[at:end].decode()
        if (entry := data[end]) < 0x80:
            entry, at = (entry >> 1) ^ -(entry & 1), end + 1
        else:
            entry, at = decode_long(data, end)
        if (reply := data[at]) < 0x80:
            reply, at = (reply >> 1) ^ -(reply & 1), at + 1
        else:
            reply, at = decode_long(data, at)
        if (rid := data[at]) == 0:
            at += 1
        else:
            rid, at = decode_long(data, at)
        if (status := data[at]) < 0x80:
            status, at = (status >> 1) ^ -(status & 1), at + 1
        else:
            status, at = decode_long(data, at)
        at, end = span_of(data, at)
        context = data[at:end]
        stored_at = end
        at, end = span_of(data, end)
        email = data[at:end].decode()
    except (IndexError, ValueError) as exc:
        raise BadRecord("TRUNCATED", "the record's bytes do not follow its schema") from exc
    if end > len(data):
        raise BadRecord("TRUNCATED", "the record ends inside its address")
    return Head(orgid, mid, request, entry, reply, rid, status, context, email, stored_at, end)


def profile_is_sound(data: bytes, at: int) -> bool:
    """Whether the profile at *at* can be read and ends the record.

    True is certain; False says that a slower reader has to look: a text of 64 bytes or more, a
    large number, a map of many names.
    """
    try:
        # Where every length is one byte below 0x80, the whole is UTF-8 exactly when each text is.
        if not data.isascii():
            data[at:].decode()
        return profile_ends(data, at)
    except (IndexError, UnicodeDecodeError):
        return False


def profile_ends(data: bytes, at: i64) -> bool:
    """Whether the profile at *at*, whose texts are UTF-8, can be read and ends the record.

    As in `profile_is_sound`; IndexError past the end.
    """
    at = _after_texts(data, at, _TEXTS)
    if at < 0:
        return False
    # contentType, smsContact, smsSubscribed, profileData
    if data[at] != 0:
        if data[at] != _GIVEN or data[at + 1] >= 0x80:
            return False
        at += 1
    at = _after_texts(data, at + 1, 1)
    if at < 0:
        return False
    if data[at] != 0:
        if data[at] != _GIVEN or data[at + 1] > 1:
            return False
        at += 1
    return _map_ends(data, at + 1)


def is_plain(data: bytes, at: i64, end: i64) -> bool:
    """Whether the address between *at* and *end* is equal to its own identity, plain to see.

    Printable ASCII without capitals, and no dot at the end; IndexError past the end of *data*.
    """
    byte: i64 = _DOT
    while at < end:
        byte = data[at]
        if byte <= 0x20 or byte >= 0x7F or 0x41 <= byte <= 0x5A:
            return False
        at += 1
    return byte != _DOT


def _after_texts(data: bytes, at: i64, count: i64) -> i64:
    """Return the position after *count* optional texts; -1 when one of them is long, or none."""
    while count > 0:
        branch: i64 = data[at]
        at += 1
        if branch == _GIVEN:
            size: i64 = data[at]
            if size & _NO_SHORT_LENGTH:
                return -1
            at += 1 + (size >> 1)
        elif branch != 0:
            return -1
        count -= 1
    return at


def _map_ends(data: bytes, at: i64) -> bool:
    """Whether a map at *at* can be read and ends the record."""
    length: i64 = len(data)
    if data[at] == 0:
        return at + 1 == length
    pairs: i64 = data[at + 1]
    if data[at] != _GIVEN or pairs & _NO_SHORT_LENGTH:
        return False
    at += 2
    if pairs == 0:
        # A map of none is its end mark alone.
        return at == length
    # Twice the pairs, for zig-zag doubles it: names and values.
    while pairs > 0:
        size: i64 = data[at]
        if size & _NO_SHORT_LENGTH:
            return False
        at += 1 + (size >> 1)
        pairs -= 1
    return data[at] == 0 and at + 1 == length
