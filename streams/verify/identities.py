"""Who is who, and where: docs/wire.md once more, in other words than the product's."""

from __future__ import annotations

import unicodedata
from contextlib import suppress

import idna

_SIGMA, _FINAL_SIGMA = "\u03c3", "\u03c2"
_MIX, _BITS, _WORD = 0x5BD1E995, 24, 0xFFFFFFFF


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
    words, rest = divmod(len(key), 4)
    h = 0x9747B28C ^ len(key)
    for at in range(0, 4 * words, 4):
        k = int.from_bytes(key[at : at + 4], "little") * _MIX & _WORD
        h = (h * _MIX & _WORD) ^ ((k ^ k >> _BITS) * _MIX & _WORD)
    if rest:
        h = (h ^ int.from_bytes(key[4 * words :], "little")) * _MIX & _WORD
    h = (h ^ h >> 13) * _MIX & _WORD
    return ((h ^ h >> 15) & 0x7FFFFFFF) % partitions
