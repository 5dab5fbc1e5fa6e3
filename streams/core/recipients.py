"""The recipients of a partition: the bytes kept for each, and what keeps them.

A recipient is kept as the changelog writes it, a framed RecipientState, so that a restore copies
bytes and decodes nothing; `Known` is what the fold needs of it.
"""

from __future__ import annotations

import sys
from array import array
from typing import TYPE_CHECKING, NamedTuple, Protocol

from schemas.framing import SINGLE_OBJECT_BYTES
from schemas.varint import decode_long, decode_text, encode_long

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ChangelogRecord = tuple[bytes, bytes | None]
"""(key, value or None for a deletion)"""
Reached = tuple[int, bytes]
"""How far a changelog goes: the offset and the value of a `meta` record"""

_HEAD = slice(SINGLE_OBJECT_BYTES, SINGLE_OBJECT_BYTES + 8)


class Known(NamedTuple):
    """A recipient this partition has: *stored* is its address and profile, as Avro writes them.

    *created* and *modified* are log times in ms; 0: unknown, and not since it was created.
    """

    rid: int
    status: int
    stored: bytes
    created: int
    modified: int


class Mark(NamedTuple):
    """The changelog offset of a `meta` record, and when all up to it was kept, in seconds."""

    offset: int
    written_at: float


class RecipientTable(Protocol):
    """What keeps a partition's recipients; stores implement it.

    Writes belong to the newest transaction until `commit` keeps the oldest one's for good;
    `rollback` forgets those of every transaction that was not committed. Invariant: whoever is new
    has a rid above everybody's before, for rids grow with the log.
    """

    @property
    def kept_to(self) -> Mark | None:
        """Up to where this table was kept, if it was."""

    def kept(self) -> list[ChangelogRecord]:
        """Return the kept changelog records that are not the table's own to know."""

    def load(self, keys: list[bytes], values: list[bytes], others: list[ChangelogRecord]) -> None:
        """Take what the changelog has, in its order: recipients by log key, and other records."""

    def unload(self, key: bytes) -> None:
        """Forget one that was loaded so far, if it was: the changelog deletes it here."""

    def finish_load(self, reached: Reached | None) -> None:
        """Know that everything was taken, up to there; None for an empty changelog."""

    def prefetch(self, keys: Iterable[bytes | None]) -> None:
        """Make ready what these keys of the log lead to, by address or by rid."""

    def get(self, key: bytes, /) -> bytes | None:
        """Return the recipient's changelog bytes, found by its log key."""

    def key_of(self, rid: int, /) -> bytes | None:
        """Return the log key of the recipient *rid*."""

    def put(self, key: bytes, value: bytes, rid: int) -> None:
        """Write one recipient."""

    def remove(self, key: bytes, rid: int) -> None:
        """Forget one recipient, which is there."""

    def put_back(self, key: bytes, value: bytes, rid: int) -> None:
        """Write one that was removed once, and has the same rid again."""

    def begin(self) -> None:
        """Start a transaction."""

    def keep(self, records: Sequence[ChangelogRecord], offset: int) -> None:
        """Keep the oldest transaction's changelog records beyond the process.

        *offset* is the last one's, which is `meta`. Called once the transaction is in the
        changelog, before `commit`, and the only call that may come from another thread.
        """

    def commit(self) -> None:
        """Keep what the oldest open transaction wrote."""

    def rollback(self) -> None:
        """Forget what all open transactions wrote."""


def pack(frame: bytes, rid_bytes: bytes, status: int, stored: bytes, dates: bytes) -> bytes:
    """Return a framed RecipientState; *rid_bytes* is the rid as Avro writes it."""
    return b"%b%b%b%b%b" % (frame, rid_bytes, encode_long(status), stored, dates)


def dates_of(created: int, modified: int = 0) -> bytes:
    """Return the end of a RecipientState; a record of the log without a time has a negative one."""
    return encode_long(max(created, 0)) + encode_long(max(modified, 0))


def unpack(value: bytes) -> Known:
    """Return what a framed RecipientState says."""
    rid, at = decode_long(value, SINGLE_OBJECT_BYTES)
    status, at = decode_long(value, at)
    end = _dates_at(value)
    created, modified_at = decode_long(value, end)
    modified, _ = decode_long(value, modified_at)
    return Known(rid, status, value[at:end], created, modified)


def head_of(value: bytes) -> tuple[int, int]:
    """Return rid and status alone."""
    rid, at = decode_long(value, SINGLE_OBJECT_BYTES)
    return rid, decode_long(value, at)[0]


def stored_of(value: bytes) -> bytes:
    """Return the address and profile alone."""
    _, at = decode_long(value, SINGLE_OBJECT_BYTES)
    _, at = decode_long(value, at)
    return value[at : _dates_at(value)]


def _dates_at(value: bytes) -> int:
    """Return where the two numbers at the end of a RecipientState begin.

    Read backwards, so that the profile need not be read: it ends with the end of a map or with the
    mark of an absent one, both 0, and of a number's bytes only the last is below 0x80.
    """
    at = len(value) - 1
    for _ in range(2):
        at -= 1
        while value[at] & 0x80:
            at -= 1
    return at + 1


def email_of(stored: bytes) -> str:
    """Return the address of a recipient's stored bytes."""
    return decode_text(stored)


def rids_of(values: Sequence[bytes]) -> array[int]:
    """Return the rids of framed RecipientStates.

    A restore does this for everybody, so numbers of one length, which neighbours have, are decoded
    side by side: eight bytes of each make one lane of one large integer. 0.2 us each at 2,000
    values; one after the other they are 0.7 us.
    """
    heads = b"".join([value[_HEAD] for value in values])
    length = 1 + next((at for at, byte in enumerate(heads[:8]) if byte < 0x80), 8)
    if length <= 8 and len(heads) == 8 * len(values) and sys.byteorder == "little":
        numbers = int.from_bytes(heads, "little")
        lanes = int.from_bytes(b"\x01\0\0\0\0\0\0\0" * len(values), "little")
        more = lanes * int.from_bytes(b"\x80" * length, "little")
        last = lanes << (8 * length - 1)
        if numbers & more == more - last:
            seven_bits = lanes * 0x7F
            rids = 0
            for at in range(length):
                rids |= ((numbers >> (8 * at)) & seven_bits) << (7 * at)
            # Zig-zag: a positive number is doubled, so no bit moves into the lane below.
            return array("q", (rids >> 1).to_bytes(8 * len(values), "little"))
    return array("q", [decode_long(value, SINGLE_OBJECT_BYTES)[0] for value in values])
