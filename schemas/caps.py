"""The cap of a mailing's messages to one recipient within an hour."""

from __future__ import annotations

from typing import Final

from schemas.calls import HOUR_MS, SKEW_MS

# 0 is no cap. Each message that counts is kept by itself, so a cap has a bound.
MAX_HOURLY_CAP: Final = 1_000

# Both by the log's time. A message counts for so long;
COUNTS_MS: Final = HOUR_MS
# and is kept for longer, since a partition may go on by the clock of another broker.
KEPT_MS: Final = COUNTS_MS + SKEW_MS
