"""Who is who, and where: docs/wire.md once more, in other words than the product's."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import idna

if TYPE_CHECKING:
    from mypy_extensions import i64

_SIGMA: Final = "\u03c3"
_FINAL_SIGMA: Final = "\u03c2"
# Of murmur2.
_MIX: Final = 0x5BD1E995
_BITS: Final = 24
_WORD: Final = 0xFFFFFFFF


def same_person(email: str) -> str:
    """Return what all spellings of an address have in common."""
    if email.isascii():
        return email.strip().lower().rstrip(".")
    # Letter by letter, so that no sigma knows what stands beside it.
    small = "".join(letter.lower() for letter in unicodedata.normalize("NFC", email.strip()))
    local, at, domain = unicodedata.normalize("NFC", small).rstrip(".").rpartition("@")
    if not domain.isascii():
        # Without a registrable name it stands for itself.
        with suppress(idna.IDNAError):
            domain = idna.encode(domain, uts46=True).decode().rstrip(".")
    return (local.replace(_FINAL_SIGMA, _SIGMA) + at + domain).rstrip(".")


def home_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key: Kafka's murmur2, its sign bit dropped."""
    size: i64 = len(key)
    h: i64 = 0x9747B28C ^ size
    at: i64 = 0
    while at + 4 <= size:
        k: i64 = key[at] | key[at + 1] << 8 | key[at + 2] << 16 | key[at + 3] << 24
        k = k * _MIX & _WORD
        h = (h * _MIX & _WORD) ^ ((k ^ k >> _BITS) * _MIX & _WORD)
        at += 4
    if at < size:
        h = (h ^ int.from_bytes(key[at:], "little")) * _MIX & _WORD
    h = (h ^ h >> 13) * _MIX & _WORD
    return ((h ^ h >> 15) & 0x7FFFFFFF) % partitions
