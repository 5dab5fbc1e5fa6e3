"""The memory store keeps what every store promises."""

from __future__ import annotations

import pytest

from streams.store.memory import MemoryRecipients
from tests.suites.recipient_table import RecipientTableSuite


class TestMemoryRecipients(RecipientTableSuite):
    @pytest.fixture
    def table(self) -> MemoryRecipients:
        return MemoryRecipients()
