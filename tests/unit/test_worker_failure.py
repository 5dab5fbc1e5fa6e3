"""What a worker that cannot go on says last: whose fault it is, and what to do."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.worker import app
from streams.worker.errors import WorkerError

_FENCED = KafkaException(KafkaError(KafkaError._FENCED, "a newer one has this name"))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (WorkerError("a folder is missing: make one"), "a folder is missing: make one"),
        (_FENCED, "Kafka has failed this worker: a newer one has this name; look at the brokers"),
        (MemoryError(), "out of memory: give this worker more"),
        (ValueError("ann@example.org"), "the worker failed: ValueError; please report it"),
    ],
)
def test_its_last_line_names_the_cause_and_the_cure_and_nobody(
    monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(app, "end_process", lines.append)
    app._die(error)
    assert lines[0].startswith(said)
    assert "ann@example.org" not in "".join(lines)
