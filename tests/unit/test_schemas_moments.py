"""Moments as text: UTC, and no millisecond lost on the way."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from schemas.moments import iso_text, moment


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_764_144_000_123, "2025-11-26T08:00:00.123Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_a_moment_is_read_in_utc(ms: int, text: str) -> None:
    assert iso_text(ms) == text
    assert iso_text(moment(ms)) == text


def test_every_millisecond_is_kept() -> None:
    begin = 1_764_144_000_000
    shown = [iso_text(ms) for ms in range(begin, begin + 1000)]
    assert [int(text[-4:-1]) for text in shown] == list(range(1000))


def test_a_moment_is_what_the_calendar_says() -> None:
    assert moment(1_764_144_000_123) == datetime(2025, 11, 26, 8, 0, 0, 123_000, tzinfo=UTC)
