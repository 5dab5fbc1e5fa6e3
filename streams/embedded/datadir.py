"""The folder of one embedded broker: who uses it, which port it has, what the broker logged."""

from __future__ import annotations

import errno
import fcntl
import time
from typing import TYPE_CHECKING

from streams.embedded.config import LOG4J_PROPERTIES, LOG_DIR, LOGS, server_properties
from streams.embedded.errors import BrokerError
from streams.embedded.ports import free_port, require_free

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import TextIO

LOCK_WAIT_S = 1.0  # a broker whose parent was killed is gone a moment later
LOCK_EVERY_S = 0.05


class DataDir:
    """What the broker keeps, under one folder that one broker may use at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.server_properties = self.path / "server.properties"
        self.log4j_properties = self.path / "log4j2.properties"
        self.log_dir = self.path / LOG_DIR
        self.logs = self.path / LOGS
        self.broker_log = self.logs / "broker.log"
        self.console = self.logs / "console.log"
        self._port = self.path / "port"
        self._lock = self.path / "lock"

    @property
    def is_formatted(self) -> bool:
        return (self.log_dir / "meta.properties").exists()

    def acquire(self) -> TextIO:
        """Return the held lock, or raise when another broker has the folder.

        It lasts until every process that inherited the file has gone, and Java inherits it.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)  # holds people's addresses
            self.logs.mkdir(exist_ok=True)
            lock = self._lock.open("a+", encoding="ascii")
        except OSError as exc:
            raise self.cannot_write(exc) from exc
        deadline = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    lock.seek(0)
                    owner = lock.read().strip()
                    lock.close()
                    raise BrokerError(
                        f"the data folder {self.path} is in use by the broker with process id "
                        f"{owner or 'unknown'}: stop that one, or name another folder"
                    ) from None
                time.sleep(LOCK_EVERY_S)
            else:
                return lock

    def choose_port(self, asked: int) -> int:
        """Return the port to listen on: the one asked for, the one of last time, or a free one."""
        kept = self._kept_port()
        if asked:
            require_free(asked, cure="stop that one, or name another port")
            port = asked
        elif kept:
            require_free(kept, cure=f"stop that one, or remove {self._port} to get another port")
            port = kept
        else:
            port = free_port()
        self._port.write_text(f"{port}\n", "ascii")
        return port

    def write_settings(self, port: int, more: Mapping[str, str]) -> None:
        text = server_properties(port=port, controller_port=free_port(besides=port), more=more)
        self.server_properties.write_text(text, "ascii")
        self.log4j_properties.write_text(LOG4J_PROPERTIES, "ascii")

    def _kept_port(self) -> int:
        """Return the port of last time; 0 for none, or one whose writing met a full disk."""
        text = self._port.read_text("ascii").strip() if self._port.exists() else ""
        return int(text) if text.isdigit() else 0

    def cannot_write(self, exc: OSError) -> BrokerError:
        """Return what to tell a user whose folder cannot be written to."""
        if exc.errno == errno.ENOSPC:
            return BrokerError(f"the disk of the data folder {self.path} is full: make room")
        return BrokerError(
            f"cannot write to the data folder {self.path} ({exc.strerror}): "
            "name one that this user can write to"
        )
