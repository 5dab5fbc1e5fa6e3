"""Calls with an idempotency key: their key in the log, and how long what is about them."""

from __future__ import annotations

from typing import Final

from schemas.topics import DAY_MS

HOUR_MS: Final = 60 * 60 * 1000
MAX_KEY_CHARS: Final = 255
DIGEST_BYTES: Final = 32

# All by the log's time. A key leads to its call for so long;
KEY_MS: Final = DAY_MS
# entries are taken for longer, since a call that was found at the last moment needs them;
ENTRY_MS: Final = KEY_MS + HOUR_MS
# and what is known of a call is kept for longer still, since partitions go by the clocks of
# different brokers, which may differ by up to an hour.
KEPT_MS: Final = ENTRY_MS + HOUR_MS
SKEW_MS: Final = HOUR_MS

# Of calls and their entries together, by the partition that a key is at home in: some 250 MB.
MAX_KEPT: Final = 1_000_000


def call_key(orgid: int, mid: int, key: str) -> bytes:
    """Return the log key of a call's beginning; its partition is the idempotency key's home."""
    return b"%d:!%d:%b" % (orgid, mid, key.encode())
