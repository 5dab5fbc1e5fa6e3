"""The partition of a key, as Java's default partitioner gives it."""

from __future__ import annotations

from murmurhash2 import murmurhash2

_SEED = 0x9747B28C


def murmur2(key: bytes) -> int:
    """Return Kafka's 32-bit murmur2 hash of *key*, unsigned.

    Source: org.apache.kafka.common.utils.Utils.murmur2.
    """
    return murmurhash2(key, _SEED)


def partition_for(key: bytes, partitions: int) -> int:
    """Return the partition of *key* among *partitions*."""
    return (murmurhash2(key, _SEED) & 0x7FFFFFFF) % partitions
