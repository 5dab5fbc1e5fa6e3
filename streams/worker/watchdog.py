"""A thread that ends the process when it has work and makes no progress.

Faust's own detectors only log. A worker that hangs while it is a member of the group keeps its
partitions from everybody else; one that ends gives them to its neighbours.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("mailing_trigger.worker.watchdog")

# Longer than any wait of ours: a transaction and its abort take 45 s, a takeover retries itself.
STALL_S = 60.0
EXIT_STALLED = 70
_LOOK_S = 5.0


class Watchdog:
    """Looks at *progress*, a number that grows, and at *has_work* when it does not.

    *deaf* tells why work is not even heard of any more, or nothing.
    """

    def __init__(
        self,
        progress: Callable[[], int],
        has_work: Callable[[], bool],
        deaf: Callable[[], str],
        *,
        stall_s: float = STALL_S,
        look_s: float = _LOOK_S,
        end: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress = progress
        self._has_work = has_work
        self._deaf = deaf
        self._stall_s = stall_s
        self._look_s = look_s
        self._end = end or end_process
        self._clock = clock
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def _run(self) -> None:
        seen, since = self._progress(), self._clock()
        looked_at = since
        while not self._stopped.wait(self._look_s):
            try:
                why = self._deaf()
            except Exception as exc:  # noqa: BLE001 - nobody would notice that nobody looks
                log.warning("whether the log is heard cannot be told: %s", type(exc).__name__)
                why = ""
            now = self._clock()
            if now - looked_at >= self._stall_s:
                # The process stood still, or its machine: nothing had time to make progress.
                since = now
            looked_at, progress = now, self._progress()
            if progress != seen or not self._has_work():
                seen, since = progress, now
            elif now - since >= self._stall_s:
                why = f"no progress for {self._stall_s:.0f} s with events waiting"
            if why:
                self._end(
                    f"{why}; ending, so that another worker takes the partitions: see the broker's "
                    "and this log"
                )
                return


def end_process(reason: str) -> None:
    """End at once, with one line: what is not committed will be folded again elsewhere."""
    log.critical("%s", reason)
    logging.shutdown()
    os._exit(EXIT_STALLED)
