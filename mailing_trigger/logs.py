"""Where our processes log: stderr, one line a record, fields after the message."""

from __future__ import annotations

import logging
import sys

# What a LogRecord has without `extra`.
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class FieldFormatter(logging.Formatter):
    """Appends the fields a caller gave with `extra=` as `name=value`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line, with the record's own fields at its end."""
        own = {name: value for name, value in vars(record).items() if name not in _PLAIN}
        shown = "".join(f" {name}={value}" for name, value in own.items())
        return super().formatMessage(record) + shown


def configure(level: str) -> None:
    """Log ours at *level* and other libraries' warnings; call it once a process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FieldFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("mailing_trigger").setLevel(level)
