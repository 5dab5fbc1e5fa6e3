"""Rows of `mailing.statistics` as workers write them."""

from __future__ import annotations

from typing import Any


def row(mid: int = 1, partition: int = 0, **changes: Any) -> dict[str, Any]:
    """Return a row that adds up, but for *changes*."""
    counters = {
        "triggered": 10,
        "created": 4,
        "known": 3,
        "duplicates": 2,
        "suppressed": 1,
        "rejected": 1,
        "pending": 4,
        "sent": 2,
    }
    return {
        "orgid": 2,
        "mid": mid,
        "partition": partition,
        "revision": 1,
        "name": "A mailing",
        "type": "api-triggered",
        "state": "ACTIVE",
        "offset": 11,
        "log_time": 1_764_144_000_000,
    } | (counters | changes)
