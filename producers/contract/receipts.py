"""The address under which a call's answer can be asked for later; it needs no state of anybody's.

All that is needed to find the answer again is in it: which partition of the acknowledgements, from
which offset on, the call's request id, and how many answers there will be. Whoever asks is believed
everything but whose call it is: a request id that a client makes begins with the organisation, and
only its users may ask for it. So an address that was made up finds nothing of somebody else's.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from schemas.topics import MAX_ENTRIES

# orgid, the client's own name and its number of the call; see `request_id_of`.
_REQUEST_ID = r"[1-9a-f][0-9a-f]{0,13}-[0-9a-f]{17,48}"
_RECEIPT = re.compile(rf"({_REQUEST_ID})\.([0-7])\.([0-9]{{1,18}})\.([0-9]{{1,6}})\.([0-9]{{1,6}})")


class AnswerPlace(NamedTuple):
    """Where a call's answers will lie: *offset* is at or before the first one's."""

    request_id: str
    reply_partition: int
    offset: int


class Receipt(NamedTuple):
    """A call of *size* entries, of which *expected* have an event in the log."""

    place: AnswerPlace
    expected: int
    size: int

    @property
    def orgid(self) -> int:
        """The organisation whose call it is."""
        return int(self.place.request_id.partition("-")[0], 16)

    def __str__(self) -> str:
        return ".".join(map(str, (*self.place, self.expected, self.size)))


def request_id_of(orgid: int, client: str, number: int) -> str:
    """Return the id of a client's call; *client* is its name of sixteen hexadecimal digits."""
    return f"{orgid:x}-{client}{number:x}"


def read_receipt(text: str) -> Receipt | None:
    """Return what `str` made of a receipt; None when it made nothing like this."""
    found = _RECEIPT.fullmatch(text)
    if found is None:
        return None
    partition, offset, expected, size = map(int, found.groups()[1:])
    if not 1 <= expected <= size <= MAX_ENTRIES:
        return None
    return Receipt(AnswerPlace(found[1], partition, offset), expected, size)
