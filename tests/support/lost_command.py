"""`mailing-trigger` whose worker, or deliverer, loses every broker once a file is there."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from mailing_trigger.cli import main
from mailing_trigger.delivery import source as delivery
from streams.worker import kafka, source
from tests.support.lost_consumer import LostConsumer

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message

    from streams.worker.settings import WorkerSettings

FILE = "LOST_WHEN_THERE"


class _LostByFile(LostConsumer):
    def poll(self, timeout: float = -1) -> Message | None:
        self.lost = self.lost or Path(os.environ[FILE]).exists()
        return super().poll(timeout)


def _lost(settings: WorkerSettings) -> Consumer:
    with mock.patch.object(kafka, "Consumer", _LostByFile):
        return kafka.source_consumer(settings)


if __name__ == "__main__":
    source.source_consumer = _lost
    delivery.Consumer = _LostByFile  # type: ignore[misc]
    sys.exit(main())
