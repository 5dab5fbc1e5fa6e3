"""Our own commands as child processes: they die with us, stop in our order, leave bounded logs."""

from __future__ import annotations

import logging.handlers
import os
import subprocess
import sys
import sysconfig
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mailing_trigger.errors import CommandError
from streams.embedded import launch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LOG_BYTES = 5 * 1024 * 1024
LOG_FILES = 2  # and the one being written
TAIL_LINES = 8
ROOT = Path(__file__).parents[1]


def command(*args: str) -> list[str]:
    """Return the argument list of our command, safe from packages in the caller's folder."""
    return [sys.executable, "-P", "-m", "mailing_trigger", *args]


@dataclass(slots=True)
class Child:
    """A process that was started; *tail* holds its last lines when it has a log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path | None = None
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    reader: threading.Thread | None = None

    def died(self) -> bool:
        """Return whether it has ended by itself."""
        return self.process.poll() is not None

    def death(self) -> CommandError:
        """Return what to tell about its end, with the last lines of its log."""
        if self.reader is not None:
            self.reader.join(1.0)
        where = f"; its log is {self.log}" if self.log else ""
        how = ended(self.process.returncode)
        return CommandError(f"the {self.name} ended by itself ({how}){where}", evidence=self.tail)

    def stop(self, *, within_s: float) -> bool:
        """Ask it to end, make it end after *within_s*; return whether asking was enough."""
        if not self.died():
            self.process.terminate()
        return self.wait(within_s=within_s)

    def wait(self, *, within_s: float) -> bool:
        """Return whether it ended in time; it has ended either way."""
        try:
            self.process.wait(max(within_s, 0))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return False
        return True


def start(
    name: str, argv: Sequence[str], env: Mapping[str, str], *, log: Path | None = None
) -> Child:
    """Start *argv*; call it from the main thread, for Linux ends the child with that thread.

    Without *log* the child writes where we do.
    """
    kept = subprocess.PIPE if log else None
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(launch.__file__), str(os.getpid()), *argv],
        env={**env, **_importable(), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=kept,
        stderr=subprocess.STDOUT if log else None,
        start_new_session=True,  # the terminal's Ctrl-C is for us, who stop in order
    )
    child = Child(name, process, log)
    if log is not None and process.stdout is not None:
        child.reader = threading.Thread(
            target=_keep, args=(process.stdout, log, child.tail), name=f"log-{name}", daemon=True
        )
        child.reader.start()
    return child


def _importable() -> dict[str, str]:
    """Return what lets a child of a plain checkout find us; installed packages need nothing."""
    return {} if Path(sysconfig.get_path("purelib")) == ROOT else {"PYTHONPATH": str(ROOT)}


def ended(status: int) -> str:
    """Return an exit status in words."""
    return f"signal {-status}" if status < 0 else f"exit status {status}"


def _keep(output: BinaryIO, log: Path, tail: deque[str]) -> None:
    """Write a child's lines to *log*, which is renamed when it is full, until the child ends."""
    log.parent.mkdir(parents=True, exist_ok=True)
    handler = _Quiet(log, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8")
    with output:
        for raw in output:
            line = raw.decode("utf-8", "replace").rstrip()
            tail.append(line)
            handler.emit(logging.makeLogRecord({"msg": line}))
    handler.close()


class _Quiet(logging.handlers.RotatingFileHandler):
    """A full disk must not stop the child by leaving its pipe unread."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Drop the line."""
