"""The entries of a trigger call as events of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from producers.contract.entries import KnownEntry, OnTheFlyEntry
from schemas.profiles import read_profile
from schemas.records import RECIPIENT_TRIGGERED, TRIGGERED_ONCE, Status
from schemas.varint import encode_bytes, encode_long

if TYPE_CHECKING:
    from producers.contract.entries import Entry
    from schemas.codec import Codec

NO_REPLY: Final = -1
MAX_ID: Final = 2**53 - 1


class Begun(NamedTuple):
    """A call with an idempotency key: its number, and when it began by the log's time in ms."""

    call: int
    begun_at: int


class EventWriter:
    """Writes the entries of one call, *begun* under a key or not; what they share once."""

    def __init__(
        self,
        codec: Codec,
        *,
        orgid: int,
        mid: int,
        request_id: str,
        reply_partition: int,
        begun: Begun | None = None,
    ) -> None:
        check_mailing(orgid, mid)
        self._shared: dict[str, object] = {
            "orgid": orgid,
            "mid": mid,
            "request_id": request_id,
            "reply_partition": reply_partition,
        }
        self._codec = codec
        self._name = RECIPIENT_TRIGGERED
        self._reply = encode_long(reply_partition)
        if begun is not None:
            self._name = TRIGGERED_ONCE
            self._shared |= {"call": begun.call, "begun_at": begun.begun_at}
            self._reply += encode_long(begun.call) + encode_long(begun.begun_at)
        self._head = (
            codec.framing.prefixes[self._name]
            + encode_long(orgid)
            + encode_long(mid)
            + _string(request_id)
        )
        # The usual recipient: by address, no rid, no status.
        self._reply_no_rid_no_status = self._reply + encode_long(0) + encode_long(Status.NOT_GIVEN)

    def encode_plain(self, entry: Entry) -> bytes:
        """Return the event as the codec writes it; what `encode` must equal."""
        rid, status = _who(entry)
        return self._codec.encode(
            self._name,
            {
                **self._shared,
                "index": entry.index,
                "rid": rid,
                "status": status,
                "context": entry.context,
                "email": entry.email or "",
                **read_profile(entry.profile),
            },
        )

    def encode(self, entry: Entry) -> bytes:
        """Return the event; a fast path beside `encode_plain`, 0.25 us against 25, compiled."""
        context = entry.context
        email = (entry.email or "").encode()
        if isinstance(entry, OnTheFlyEntry) and entry.status is None:
            who = self._reply_no_rid_no_status
        else:
            rid, status = _who(entry)
            who = self._reply + encode_long(rid) + encode_long(status)
        parts = (
            self._head,
            encode_long(entry.index),
            who,
            encode_long(len(context)),
            context,
            encode_long(len(email)),
            email,
            entry.profile,
        )
        return b"".join(parts)


def check_mailing(orgid: int, mid: int) -> None:
    """Raise ValueError for numbers no event may carry: the fold would answer nobody."""
    if not (1 <= orgid <= MAX_ID and 1 <= mid <= MAX_ID):
        raise ValueError("orgid and mid are 1 to 2^53 - 1")


def _who(entry: Entry) -> tuple[int, int]:
    if isinstance(entry, KnownEntry):
        return entry.rid, Status.NOT_GIVEN
    return 0, Status.NOT_GIVEN if entry.status is None else entry.status


def _string(text: str) -> bytes:
    return encode_bytes(text.encode())
