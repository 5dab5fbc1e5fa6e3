"""Why a broker died, in one line, from what it logged."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TAIL_BYTES = 64 * 1024
# What Kafka or Java says, and what to do about it.
KNOWN = (
    ("No space left on device", "the disk is full: make room"),
    (
        "Address already in use",
        "its port was taken meanwhile: start it again, or name another port",
    ),
    ("UnsupportedClassVersionError", "this Java is too old: it needs Java 17 or newer"),
    ("Failed to acquire lock on file .lock", "another Kafka uses its data: stop that one"),
    ("OutOfMemoryError", "it ran out of memory"),
    ("Could not reserve enough space", "this machine has too little memory for it"),
    ("Permission denied", "a file in its data folder belongs to another user"),
    ("Read-only file system", "its data folder is on a read-only disk"),
    ("Could not find or load main class", "the folder of jars lacks some of Kafka's jars"),
    ("NoClassDefFoundError", "the folder of jars lacks some of Kafka's jars"),
)
_TELLING = re.compile(r" (?:ERROR|FATAL) |^Caused by: |^Exception in |^Error|Exception: ")


def cause_of_death(logs: tuple[Path, ...], *, since: tuple[int, ...]) -> str:
    """Return the cause found in *logs*, each read from its offset in *since*."""
    text = "\n".join(_tail(log, start) for log, start in zip(logs, since, strict=True))
    for sign, meaning in KNOWN:
        if sign in text:
            return meaning
    telling = [line for line in text.splitlines() if _TELLING.search(line)]
    return telling[-1].strip()[:300] if telling else "it left no word"


def _tail(log: Path, start: int) -> str:
    if not log.exists():
        return ""
    size = log.stat().st_size
    # Rolled over since: the new file is all from this start.
    begin = max(start if start <= size else 0, size - TAIL_BYTES)
    with log.open("rb") as file:
        file.seek(begin)
        return file.read().decode("utf-8", "replace")
