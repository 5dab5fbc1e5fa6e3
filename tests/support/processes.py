"""Our own command as real processes, with their output kept and their end certain."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# A worker ends itself when its stop takes 20 s.
STOP_WITHIN_S = 60.0
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Running:
    """A started command; its output, both streams, is the file *log*."""

    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.popen.pid

    def output(self) -> str:
        """Return what the command has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def running(self) -> bool:
        return self.popen.poll() is None

    def wait(self, *, within_s: float = STOP_WITHIN_S) -> int:
        """Return the exit status; a signal's is negative."""
        return self.popen.wait(within_s)

    def stop(self, *, within_s: float = STOP_WITHIN_S) -> int:
        """Ask the command to end, as Ctrl-C does, and return its exit status."""
        self.popen.send_signal(signal.SIGINT)
        return self.wait(within_s=within_s)

    def kill(self) -> None:
        """End the command and its children at once, without a chance to say goodbye."""
        self._signal_all(signal.SIGKILL)
        self.wait()

    def pause(self) -> None:
        """Freeze the command and its children: alive, but doing nothing (`kill -STOP`)."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        # The command leads a group of its own; without a leader its children still have it.
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return


@dataclass(slots=True)
class Processes:
    """Starts commands of one test and ends whatever of them is left."""

    directory: Path
    started: list[Running] = field(default_factory=list)

    def start(self, *args: str, env: Mapping[str, str] | None = None) -> Running:
        """Start `python -m mailing_trigger` with *args*, and *env* above the environment."""
        return self.start_module("mailing_trigger", *args, env=env)

    def start_module(
        self, module: str, *args: str, env: Mapping[str, str] | None = None
    ) -> Running:
        """Start `python -m` *module*, in a session of its own so that its children end with it."""
        log = self.directory / f"{len(self.started)}-{module}-{args[0] if args else ''}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen(
                [sys.executable, "-m", module, *args],
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started.append(Running(popen, log))
        return self.started[-1]

    def end_all(self) -> None:
        """End every process and print the tails of their output, which pytest shows on failure."""
        for process in self.started:
            process.kill()
            print(f"--- {process.log.name} (exit {process.popen.returncode})")
            print(process.output()[-4000:])
