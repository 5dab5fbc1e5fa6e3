"""Where our processes log: stderr, one line a record, fields after the message."""

from __future__ import annotations

import logging
import re
import sys
import time

# What a LogRecord has without `extra`.
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# While a broker is away, librdkafka says so twenty times a second.
AGAIN_AFTER_S = 30.0
REMEMBERED = 100
_NUMBER = re.compile(r"\d+")


class FieldFormatter(logging.Formatter):
    """Appends the fields a caller gave with `extra=` as `name=value`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line, with the record's own fields at its end."""
        own = {name: value for name, value in vars(record).items() if name not in _PLAIN}
        shown = "".join(f" {name}={value}" for name, value in own.items())
        return super().formatMessage(record) + shown


class OnceInAWhile(logging.Filter):
    """Drops a librdkafka line that differs only in numbers from one a moment ago."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log *record*; ours are always logged."""
        line = record.getMessage()
        if "rdkafka#" not in line:
            return True
        key = _NUMBER.sub("0", line)
        now = time.monotonic()
        if now - self._said.get(key, -AGAIN_AFTER_S) < AGAIN_AFTER_S:
            return False
        if len(self._said) >= REMEMBERED:
            self._said.clear()
        self._said[key] = now
        return True


def configure(level: str) -> None:
    """Log ours at *level* and other libraries' warnings; for a process that stays."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FieldFormatter())
    handler.addFilter(OnceInAWhile())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("mailing_trigger").setLevel(level)


def be_quiet() -> None:
    """Log nothing: a command that ends says what is wrong in its one line."""
    logging.getLogger().addHandler(logging.NullHandler())
