"""The fields the fold needs of a RecipientTriggered event, read by hand.

`read_head` and `profile_is_sound` are the fast twins of fastavro with the schemas of `messages`;
`tests/property/test_fast_paths.py` holds them together. On one core, an event with two names and
a short context: a fifth of the time (``python -m bench.decode``).
"""

from __future__ import annotations

from typing import NamedTuple

from schemas.errors import BadRecord
from schemas.varint import decode_long
from streams.core.messages import EMPTY_PROFILE

_NULLS = tuple(b"\x00" * n for n in range(len(EMPTY_PROFILE) + 1))
# The profile begins with this many optional texts; what follows them is of other types.
_TEXTS = 13
# The second branch of a union, as Avro numbers it.
_GIVEN = 2
_ONE_BYTE = 0x7F


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
        at, end = _span(data, at)
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
        at, end = _span(data, at)
        context = data[at:end]
        stored_at = end
        at, end = _span(data, end)
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
    profile = data[at:]
    try:
        # Where every length is one byte below 0x80, the whole is UTF-8 exactly when each text is.
        if not profile.isascii():
            profile.decode()
        pos = _after_texts(profile, 0, _TEXTS)
        if pos < 0:
            return True
        # contentType, smsContact, smsSubscribed, profileData
        if branch := profile[pos]:
            pos += 1
            if branch != _GIVEN or profile[pos] > _ONE_BYTE:
                return False
        pos = _after_texts(profile, pos + 1, 1)
        if branch := profile[pos]:
            pos += 1
            if branch != _GIVEN or profile[pos] > 1:
                return False
        return ends_after_map(profile, pos + 1)
    except (IndexError, UnicodeDecodeError, _Unsure):
        return False


def _after_texts(profile: bytes, pos: int, count: int) -> int:
    """Return the position after *count* optional texts; -1 when nothing but nulls follows."""
    size, left = len(profile), len(EMPTY_PROFILE)
    for place in range(left, left - count, -1):
        if count > 1 and size - pos == place and profile[pos:] == _NULLS[place]:
            return -1
        branch = profile[pos]
        if branch == 0:
            pos += 1
        elif branch == _GIVEN:
            length = profile[pos + 1]
            if length & 0x81:
                raise _Unsure
            pos += 2 + (length >> 1)
        else:
            raise _Unsure
    return pos


def ends_after_map(profile: bytes, pos: int) -> bool:
    """Whether a map at *pos* can be read and ends the profile; True is certain."""
    if profile[pos] == 0:
        return pos + 1 == len(profile)
    pairs = profile[pos + 1]
    if profile[pos] != _GIVEN or pairs & 0x81:
        return False
    pos += 2
    for _ in range(pairs):  # twice the pairs, for zig-zag doubles it: names and values
        length = profile[pos]
        if length & 0x81:
            return False
        pos += 1 + (length >> 1)
    # A map of none is its end mark alone.
    return profile[pos:] == b"\x00" if pairs else pos == len(profile)


class _Unsure(Exception):
    pass


def _span(data: bytes, at: int) -> tuple[int, int]:
    """Return where the bytes at *at* begin and end."""
    length = data[at]
    if length < 0x80:
        at += 1
    else:
        length, at = decode_long(data, at)
        length <<= 1
    if length & 1 or length < 0:
        raise ValueError
    return at, at + (length >> 1)
