"""The bridge's numbers, in a registry of their own; no label names a caller or a recipient."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from producers.bridge.limits import Admission

# Tens of milliseconds are the aim, five seconds the end of every wait.
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """Counters of one bridge."""

    def __init__(self, admission: Admission) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "mailing_trigger_http_requests",
            "Requests answered",
            ["route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "mailing_trigger_http_request_seconds",
            "From the head of a request to its answer",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._entries = Counter(
            "mailing_trigger_entries",
            "Entries of trigger calls, by what became of them",
            ["outcome"],
            registry=self.registry,
        )
        self._added = self._entries.labels("added")
        self._refused = self._entries.labels("refused")
        # Looking a label up takes longer than counting: 2 us.
        self._of = cache(self._children)
        for name, text, read in (
            ("calls", "Calls in flight", lambda: admission.calls),
            ("body_bytes", "Bytes of bodies in flight", lambda: admission.body_bytes),
            ("entries", "Entries in flight", lambda: admission.entries),
        ):
            gauge = Gauge(f"mailing_trigger_inflight_{name}", text, registry=self.registry)
            gauge.set_function(read)

    def _children(self, route: str, status: int) -> tuple[Counter, Histogram]:
        return self._requests.labels(route, str(status)), self._seconds.labels(route)

    def answered(self, route: str, status: int, since: float) -> None:
        """Count one answer; *since* is the monotonic time at which its request began."""
        count, seconds = self._of(route, status)
        count.inc()
        seconds.observe(time.monotonic() - since)

    def entries(self, added: int, refused: int) -> None:
        """Count the entries of one trigger call."""
        if added:
            self._added.inc(added)
        if refused:
            self._refused.inc(refused)
