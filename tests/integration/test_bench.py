"""The benchmark's machinery on a few events, so that it does not rot between measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import backlog
from bench.broker import Broker
from bench.contestants import PLAIN_LOOP, WORKER

if TYPE_CHECKING:
    from pathlib import Path

    from streams.embedded.broker import EmbeddedBroker


@pytest.mark.kafka
def test_the_backlog_is_worked_off_and_answered_by_worker_and_plain_loop(
    own_broker: EmbeddedBroker, tmp_path: Path
) -> None:
    plan = backlog.Plan(events=5_000, warm_up=1_000, rounds=1)
    broker = Broker(own_broker.bootstrap_servers, own_broker.pid, tmp_path)
    result = backlog.run(plan, [WORKER, PLAIN_LOOP], broker, print)

    assert [run.contestant.name for run in result.rounds[0]] == ["worker", "plain loop"]
    # The worker's copies of the definition are on the log as well.
    assert all(run.seen.committed >= plan.events + 4 for run in result.rounds[0])
    assert "worker" in backlog.figures(result)["worker is x times"]  # type: ignore[operator]
    assert backlog.table(result, "a backlog").row_count == 2
