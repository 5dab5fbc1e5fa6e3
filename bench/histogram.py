"""Latencies as percentiles, counted by HdrHistogram to three digits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from hdrh.histogram import HdrHistogram

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST_US = 120_000_000


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds; all 0 when nothing was timed."""

    count: int
    min: float
    p50: float
    p90: float
    p99: float
    p999: float
    max: float


def percentiles(seconds: Iterable[float]) -> Percentiles:
    """Return the percentiles of latencies given in *seconds*."""
    histogram = HdrHistogram(1, _LONGEST_US, 3)
    for value in seconds:
        histogram.record_value(max(1, round(value * 1e6)))
    count = histogram.get_total_count()

    def at(percentile: float) -> float:
        return histogram.get_value_at_percentile(percentile) / 1000 if count else 0.0

    return Percentiles(
        count=count,
        min=histogram.get_min_value() / 1000 if count else 0.0,
        p50=at(50),
        p90=at(90),
        p99=at(99),
        p999=at(99.9),
        max=histogram.get_max_value() / 1000 if count else 0.0,
    )
