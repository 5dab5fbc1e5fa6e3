"""Any exception as the one line its reader can act on."""

from __future__ import annotations

import traceback
from pathlib import Path

PACKAGES = ("mailing_trigger", "streams", "schemas", "producers")


def one_line(exc: BaseException) -> str:
    """Return cause and cure; our own errors carry both, others get what can be said for certain."""
    origin = type(exc).__module__.partition(".")[0]
    if origin in PACKAGES:
        return str(exc)
    if origin in {"cimpl", "confluent_kafka"}:
        return f"Kafka: {_kafka_text(exc)}; `mailing-trigger doctor` looks for the cause"
    if isinstance(exc, OSError):
        where = f"{exc.filename}: " if exc.filename else ""
        return f"{where}{exc.strerror or exc}"
    if isinstance(exc, ImportError):
        return f"{exc.name or exc} is missing: install mailing-trigger with its extra `embedded`"
    # Not its text: that could repeat an address.
    return (
        f"defect: {type(exc).__name__} at {_place(exc)}; "
        "MAILING_TRIGGER_LOG_LEVEL=DEBUG shows the way there"
    )


def _kafka_text(exc: BaseException) -> str:
    error = exc.args[0] if exc.args else exc
    text = getattr(error, "str", None)
    return str(text()) if callable(text) else str(error)


def _place(exc: BaseException) -> str:
    frames = list(traceback.extract_tb(exc.__traceback__))
    root = str(Path(__file__).parents[1])
    ours = [frame for frame in frames if frame.filename.startswith(root)]
    nearest = ours or frames
    return f"{Path(nearest[-1].filename).name}:{nearest[-1].lineno}" if nearest else "its start"
