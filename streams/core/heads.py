"""The fields the fold needs of a RecipientTriggered event, read by hand.

`read_head` and `profile_is_plain` are the fast twins of fastavro with the schemas of `messages`;
`tests/property/test_fast_paths.py` holds them together. On one core, an event with two names and
a short context: a fifth of the time (``python -m bench.decode``).
"""

from __future__ import annotations

from typing import NamedTuple

from schemas.errors import BadRecord
from schemas.varint import decode_long
from streams.core.messages import EMPTY_PROFILE

_NULLS = tuple(b"\x00" * n for n in range(len(EMPTY_PROFILE) + 1))
# The profile begins with this many optional strings; what follows them is of other types.
_STRINGS = 13
_STRING = 2


class Head(NamedTuple):
    """The fields up to the address, and where the address and the profile begin in the record."""

    orgid: int
    mid: int
    request_id: str
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
        at, end = _span(data, at)
        request_id = data[at:end].decode()
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
    return Head(orgid, mid, request_id, entry, reply, rid, status, context, email, stored_at, end)


def profile_is_plain(data: bytes, at: int) -> bool:
    """Whether the profile at *at* is a few ASCII strings and then nothing but nulls.

    True means it is certainly well formed and ends the record; False means nothing.
    """
    profile = data[at:]
    if not profile.isascii():
        return False
    # ASCII throughout: every length is one byte, and every string is valid UTF-8.
    size, pos = len(profile), 0
    for left in range(len(EMPTY_PROFILE), len(EMPTY_PROFILE) - _STRINGS, -1):
        if size - pos == left and profile[pos:] == _NULLS[left]:
            return True
        if pos + 1 >= size:
            return False
        branch = profile[pos]
        if branch == 0:
            pos += 1
        elif branch == _STRING and not profile[pos + 1] & 1:
            pos += 2 + (profile[pos + 1] >> 1)
        else:
            return False
    return size - pos == len(EMPTY_PROFILE) - _STRINGS and profile[pos:] == _NULLS[size - pos]


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
