"""The recipients of a partition: the bytes kept for each, and what keeps them.

A recipient is kept as the changelog writes it, a framed RecipientState, so that a restore copies
bytes and decodes nothing; `Known` is what the fold needs of it.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from schemas.framing import SINGLE_OBJECT_BYTES
from schemas.varint import decode_long, decode_text, encode_long


class Known(NamedTuple):
    """A recipient this partition has: *stored* is its address and profile, as Avro writes them."""

    rid: int
    status: int
    stored: bytes


class RecipientTable(Protocol):
    """What keeps a partition's recipients; stores implement it.

    Writes belong to the newest transaction until `commit` keeps the oldest one's for good;
    `rollback` forgets those of every transaction that was not committed.
    """

    def get(self, key: bytes) -> bytes | None:
        """Return the recipient's changelog bytes, found by its log key."""

    def key_of(self, rid: int) -> bytes | None:
        """Return the log key of the recipient *rid*."""

    def put(self, key: bytes, value: bytes, rid: int) -> None:
        """Write one recipient."""

    def begin(self) -> None:
        """Start a transaction."""

    def commit(self) -> None:
        """Keep what the oldest open transaction wrote."""

    def rollback(self) -> None:
        """Forget what all open transactions wrote."""

    def load(self, key: bytes, value: bytes) -> None:
        """Take a recipient from the changelog, outside of any transaction."""

    def __len__(self) -> int:
        """Return how many recipients there are."""


def pack(frame: bytes, rid_bytes: bytes, status: int, stored: bytes) -> bytes:
    """Return a framed RecipientState; *rid_bytes* is the rid as Avro writes it."""
    return b"%b%b%b%b" % (frame, rid_bytes, encode_long(status), stored)


def unpack(value: bytes) -> Known:
    """Return what a framed RecipientState says."""
    rid, at = decode_long(value, SINGLE_OBJECT_BYTES)
    status, at = decode_long(value, at)
    return Known(rid, status, value[at:])


def email_of(stored: bytes) -> str:
    """Return the address of a recipient's stored bytes."""
    return decode_text(stored)
