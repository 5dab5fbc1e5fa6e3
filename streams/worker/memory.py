"""Memory that the C library keeps when a burst is over, given back to the system.

A takeover, a restore and a backlog take much memory for a moment, from many threads at once. glibc
keeps what is freed where anything that lives lies behind it: of 259 MiB of a worker's heap 31 were
in use (mallinfo2), and `malloc_trim` took the process from 364 to 147 MiB.
"""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# A trim looks at everything there is: 23 ms for a heap of 230 MiB, 230 ms for one of 2.2 GiB, half
# of each free in small pieces. So it has to have grown by so much, or some time has to have passed.
GROWN = 1.25
GROWN_BYTES = 32 * 1024 * 1024
EVERY_S = 300.0

_STATM = Path("/proc/self/statm")


class Memory:
    """Trims the process when it has grown since it was smallest, and now and then."""

    def __init__(
        self,
        *,
        resident: Callable[[], int] | None = None,
        trim: Callable[[], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resident = resident or resident_bytes
        self._trim = trim or _trim
        self._clock = clock
        self._least, self._trimmed_at = 0, clock()

    def look(self) -> None:
        """Give back what is to be had, when that may be much; blocks, without the interpreter."""
        size, now = self._resident(), self._clock()
        self._least = min(self._least or size, size)
        if size > self._least * GROWN + GROWN_BYTES or now - self._trimmed_at >= EVERY_S:
            self._trim()
            self._least, self._trimmed_at = self._resident(), now


def resident_bytes() -> int:
    """Return how much memory this process has in RAM; 0 where that is not known."""
    try:
        return int(_STATM.read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _trim() -> None:
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        # Another C library than glibc.
        return
    trim(0)
