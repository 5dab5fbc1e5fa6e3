"""A call's profile over the stored one, read and joined by hand.

`overlaid` and `sms_contact` are the fast twins of fastavro in `messages`, which looks where these
do not know; `tests/property/test_fast_paths.py` holds them together. A profile takes 1 us, not 23
(`python -m bench.decode`).
"""

from __future__ import annotations

from typing import Final

from schemas.profiles import PLACES
from schemas.varint import decode_long, encode_long, span_of

# The second branch of a union, as Avro numbers it.
_GIVEN: Final = 2
_FIELDS: Final = len(PLACES)
_CONTENT_TYPE: Final = PLACES["contentType"]
_SMS_CONTACT: Final = PLACES["smsContact"]
_SMS_SUBSCRIBED: Final = PLACES["smsSubscribed"]
# The last one.
_PROFILE_DATA: Final = PLACES["profileData"]


def overlaid(stored: bytes, called: bytes, called_at: int) -> bytes | None:
    """Return a stored address and profile with a call's profile over its own.

    Who opted out of SMS stays out. None says that a slower reader has to look: a map in several
    blocks, or bytes that Avro would not write.
    """
    try:
        _, email_ends = span_of(stored, 0)
        below, above = _places(stored, email_ends), _places(called, called_at)
        if not below or not above:
            return None
        opted_out = _opted_out(stored, below)
        parts = [stored[:email_ends]]
        for field in range(_FIELDS):
            at: int = above[field]
            if called[at] == 0 or (opted_out and field == _SMS_SUBSCRIBED):
                parts.append(stored[below[field] : below[field + 1]])
            elif field == _PROFILE_DATA and stored[below[field]] != 0:
                parts.append(_data_over(stored, below[field], called, at))
            else:
                parts.append(called[at : above[field + 1]])
        return b"".join(parts)
    except (IndexError, ValueError):
        return None


def sms_contact(stored: bytes) -> bytes | None:
    """Return the number that an address and profile let have SMS, empty when there is none.

    None as in `overlaid`.
    """
    try:
        _, email_ends = span_of(stored, 0)
        places = _places(stored, email_ends)
        if not places:
            return None
        at: int = places[_SMS_CONTACT]
        if stored[at] == 0 or _opted_out(stored, places):
            return b""
        at, end = span_of(stored, at + 1)
        return stored[at:end]
    except (IndexError, ValueError):
        return None


def _opted_out(profile: bytes, places: list[int]) -> bool:
    at: int = places[_SMS_SUBSCRIBED]
    return profile[at] == _GIVEN and profile[at + 1] == 0


def _places(data: bytes, at: int) -> list[int]:
    """Return where each field of the profile at *at* begins, and where the last one ends.

    Nothing when that cannot be said by hand; IndexError and ValueError where there is no profile.
    """
    places: list[int] = []
    for field in range(_FIELDS):
        places.append(at)
        branch: int = data[at]
        at += 1
        if branch == 0:
            continue
        if branch != _GIVEN:
            return []
        if field == _CONTENT_TYPE:
            _, at = decode_long(data, at)
        elif field == _SMS_SUBSCRIBED:
            at += 1
        elif field == _PROFILE_DATA:
            at = _after_map(data, at)
            if at < 0:
                return []
        else:
            _, at = span_of(data, at)
    places.append(at)
    return places if at <= len(data) else []


def _after_map(data: bytes, at: int) -> int:
    """Return the position after a map of one block at most; -1 when it is another."""
    pairs, at = decode_long(data, at)
    if pairs == 0:
        return at
    if pairs < 0:
        return -1
    for _ in range(2 * pairs):
        _, at = span_of(data, at)
    return at + 1 if data[at] == 0 else -1


def _data_over(stored: bytes, stored_at: int, called: bytes, called_at: int) -> bytes:
    """Return a field of names and texts that both have, those of the call over the stored ones."""
    pairs = _pairs(stored, stored_at + 1)
    pairs.update(_pairs(called, called_at + 1))
    if not pairs:
        return b"\x02\x00"
    return b"".join((b"\x02", encode_long(len(pairs)), *pairs.values(), b"\x00"))


def _pairs(data: bytes, at: int) -> dict[bytes, bytes]:
    """Return a map's pairs as Avro writes them, by their names."""
    found: dict[bytes, bytes] = {}
    count, at = decode_long(data, at)
    for _ in range(count):
        pair_at = at
        name_at, name_ends = span_of(data, at)
        _, at = span_of(data, name_ends)
        found[data[name_at:name_ends]] = data[pair_at:at]
    return found
