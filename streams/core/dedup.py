"""What makes two pending messages of a mailing one."""

from __future__ import annotations

from typing import Final

from schemas.contexts import comparable
from schemas.records import DedupPolicy

_RECIPIENT_CONTEXT: Final = DedupPolicy.RECIPIENT_CONTEXT


def dedup_key(policy: DedupPolicy, rid_bytes: bytes, context: bytes) -> bytes | None:
    """Return the key under which a message is a duplicate, or None when it never is.

    *rid_bytes* is the rid as Avro writes it, which no other rid's bytes begin with.
    """
    if policy is _RECIPIENT_CONTEXT:
        return rid_bytes + comparable(context)
    return rid_bytes if policy is DedupPolicy.RECIPIENT else None
