"""Moments: milliseconds since 1970 on the wire, ISO 8601 in UTC wherever somebody reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(ms: int) -> datetime:
    """Return the moment *ms* after the beginning of 1970."""
    return _EPOCH + timedelta(milliseconds=ms)


def iso_text(when: datetime | int) -> str:
    """Return a moment of UTC, or *when* ms after the beginning of 1970, to the millisecond."""
    at = moment(when) if isinstance(when, int) else when
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
