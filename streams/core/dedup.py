"""What makes two pending messages of a mailing one."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from schemas.records import DedupPolicy

# Longer contexts are compared by a digest: a queue of large ones does not keep each of them twice.
LITERAL_BYTES: Final = 256
_RECIPIENT_CONTEXT: Final = DedupPolicy.RECIPIENT_CONTEXT


def dedup_key(policy: DedupPolicy, rid_bytes: bytes, context: bytes) -> object:
    """Return the key under which a message is a duplicate, or None when it never is.

    *rid_bytes* is the rid as Avro writes it, which no other rid's bytes begin with.
    """
    if policy is _RECIPIENT_CONTEXT:
        if len(context) > LITERAL_BYTES:
            return (rid_bytes, blake2b(context).digest())
        return rid_bytes + context
    return rid_bytes if policy is DedupPolicy.RECIPIENT else None
