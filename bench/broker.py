"""The embedded broker that every scenario shares, as `mailing-trigger up` runs it."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streams.embedded.broker import EmbeddedBroker

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker that serves; *folder* is for everything a run leaves, and goes with it."""

    bootstrap_servers: str
    pid: int
    folder: Path


@contextmanager
def embedded() -> Iterator[Broker]:
    """Run a broker on a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with EmbeddedBroker(folder / "broker") as broker:
            yield Broker(broker.bootstrap_servers, broker.pid, folder)
