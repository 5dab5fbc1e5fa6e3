"""The usual entry of a JSON body, read in one go: an address and texts, named as documented.

A fast path beside `recipients.read_plainly`: what is read here is read there alike, and whatever is
unusual (another spelling, a number, a null, an error) is left to it. 3 us against 13 an entry of
six fields.
"""

from __future__ import annotations

from typing import TypedDict

import msgspec

from producers.contract import fields
from producers.contract.address import is_plain
from producers.contract.entries import OnTheFlyEntry
from producers.contract.errors import Refused
from schemas.topics import MAX_CONTEXT_BYTES

# All fields but the address and the context whose JSON value is a string; the loader passes others
# by, and then they are missed in the count of colons.
_Usual = TypedDict(
    "_Usual",
    {"email": str, "context": msgspec.Raw, **dict.fromkeys(fields.PROFILE_TEXTS, str)},  # type: ignore[misc]
    total=False,
)
_load = msgspec.json.Decoder(_Usual).decode

# More than a text without control characters.
_SHAPED = {name: fields.accepting(name) for name in fields.SHAPED_TEXTS}
_NO_CONTEXT = frozenset({b"", b"null"})


def read_usual(index: int, entry: bytes) -> OnTheFlyEntry | None:
    """Return the recipient that the object *entry* is; None says nothing."""
    try:
        profile: dict[str, object] = _load(entry)  # type: ignore[assignment]
    except (msgspec.DecodeError, RecursionError):
        return None
    count = len(profile)
    email = profile.pop("email", "")
    context = bytes(profile.pop("context", b""))  # type: ignore[call-overload]
    texts = "".join(profile.values())  # type: ignore[arg-type]
    # Every member has a colon: as many as members and their values have means that no member was
    # doubled or unknown. One written as an escape would spoil that.
    if (
        entry.count(b":") != count + context.count(b":") + texts.count(":")
        or b"\\u003" in entry
        or not is_plain(email)  # type: ignore[arg-type]
        or not texts.isprintable()
        or len(context) > MAX_CONTEXT_BYTES
    ):
        return None
    for name in _SHAPED.keys() & profile.keys():
        try:
            profile[name] = _SHAPED[name](profile[name])
        except Refused:
            return None
    return OnTheFlyEntry(index, email, None, b"" if context in _NO_CONTEXT else context, profile)  # type: ignore[arg-type]
