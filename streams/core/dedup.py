"""What makes two pending messages of a mailing one."""

from __future__ import annotations

from hashlib import blake2b

from schemas.records import DedupPolicy

# Contexts up to this length are compared as they are, longer ones by a digest one byte longer
# than any of them: a queue of large contexts does not keep each of them twice.
_LITERAL_BYTES = 63
_RECIPIENT_CONTEXT = DedupPolicy.RECIPIENT_CONTEXT


def dedup_key(policy: DedupPolicy, rid: int, context: bytes) -> object:
    """Return the key under which a message is a duplicate, or None when it never is."""
    if policy is _RECIPIENT_CONTEXT:
        if len(context) > _LITERAL_BYTES:
            context = blake2b(context).digest()
        return (rid, context)
    return rid if policy is DedupPolicy.RECIPIENT else None
