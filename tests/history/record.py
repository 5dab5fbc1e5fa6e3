"""What happened, in the order in which it was written down: one JSON object a line.

A call is an ``invoke`` line and, later, a line of the same ``call`` and process that says how it
ended: ``ok`` (it was judged, entry by entry), ``fail`` (certainly nothing of it was produced) or
``info`` (nobody knows). Faults are ``begin`` and ``end``. Times are `time.monotonic_ns`, which all
processes of one machine share, and the wall clock for people.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Result = int | str | None
"""Of an entry: its rid, the code of its refusal, or None: nobody knows."""


class History:
    """Writes lines to a file; may be used by several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a", encoding="utf-8", buffering=1024 * 1024)
        self._lock = threading.Lock()

    def write(self, kind: str, **what: object) -> None:
        """Append a line of type *kind*."""
        line = {"type": kind, "ns": time.monotonic_ns(), "at": round(time.time(), 3), **what}
        with self._lock:
            self._file.write(json.dumps(line, separators=(",", ":")) + "\n")

    def flush(self) -> None:
        """See to it that everything written so far is in the file."""
        with self._lock:
            self._file.flush()

    def close(self) -> None:
        self._file.close()


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a history; one that a crash cut off ends it."""
    with path.open(encoding="utf-8") as file:
        for text in file:
            if not text.endswith("\n"):
                return
            yield json.loads(text)


@dataclass(slots=True)
class Call:
    """One call as its process saw it; a call that was repeated has several *attempts*."""

    number: int
    f: str
    org: int
    mid: int
    # Of each entry who it is for, an address or a rid, and the SHA-256 of its context.
    entries: list[tuple[str | int, str]]
    # Its idempotency key, when it has one.
    key: str = ""
    # What else it asks for: the state a mailing is to be in, who is read or changed, and how.
    said: dict[str, Any] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def invoked(self) -> int:
        """When it was first made, in ns."""
        return min(attempt.invoked for attempt in self.attempts)

    @property
    def ended(self) -> int | None:
        """When it was judged; None when events of it may have come into the log afterwards.

        A repeat under the same request id may be answered by the answer to the first attempt; one
        under a key has an id of its own.
        """
        produced = [attempt for attempt in self.attempts if attempt.type != "fail"]
        if not produced or any(attempt.type != "ok" for attempt in produced):
            return None
        if len(produced) > 1 and produced[0].way == "direct" and not self.key:
            return None
        return max(attempt.ended for attempt in produced)


@dataclass(slots=True)
class Attempt:
    """A try of a call: *type* is how it ended, or still ``invoke``."""

    process: int
    way: str
    invoked: int
    type: str = "invoke"
    ended: int = 0
    results: list[Result] = field(default_factory=list)
    # What the answer to anything but a trigger shows.
    shown: dict[str, Any] = field(default_factory=dict)


def calls(path: Path) -> dict[int, Call]:
    """Return every call of a history by its number."""
    found: dict[int, Call] = {}
    for line in lines(path):
        if "call" not in line:
            continue
        if line["type"] == "invoke":
            call = found.get(line["call"])
            if call is None:
                entries = [(who, sha) for who, sha in line.get("entries", ())]
                place = (line["call"], line["f"], line["org"], line.get("mid", 0))
                call = Call(*place, entries, line.get("key", ""), line.get("said", {}))
                found[call.number] = call
            call.attempts.append(Attempt(line["process"], line["way"], line["ns"]))
        else:
            attempts = found[line["call"]].attempts
            attempt = next(a for a in attempts if a.process == line["process"] and not a.ended)
            attempt.type, attempt.ended = line["type"], line["ns"]
            attempt.results, attempt.shown = line.get("results", []), line.get("shown", {})
    return found


def by_type(found: dict[int, Call]) -> dict[str, int]:
    """Return how many attempts ended in each way."""
    counts: dict[str, int] = defaultdict(int)
    for call in found.values():
        for attempt in call.attempts:
            counts[attempt.type] += 1
    return dict(counts)
