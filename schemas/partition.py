"""The partition of a key, as Java's default partitioner gives it."""

from __future__ import annotations

import struct

_SEED = 0x9747B28C
_M = 0x5BD1E995
_R = 24
_MASK = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """Return Kafka's 32-bit murmur2 hash of *key*, unsigned.

    Source: org.apache.kafka.common.utils.Utils.murmur2.
    """
    length = len(key)
    h = (_SEED ^ length) & _MASK
    words = length >> 2
    for word in struct.unpack_from(f"<{words}I", key):
        # Unmasked where it may be: the low 32 bits of a product depend on the low 32 bits alone.
        k = word * _M
        h = (h * _M ^ (k ^ ((k & _MASK) >> _R)) * _M) & _MASK
    tail = key[words << 2 :]
    if tail:
        h ^= int.from_bytes(tail, "little")
        h = h * _M & _MASK
    h ^= h >> 13
    h = h * _M & _MASK
    return h ^ (h >> 15)


def partition_for(key: bytes, partitions: int) -> int:
    """Return the partition of *key* among *partitions*."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
