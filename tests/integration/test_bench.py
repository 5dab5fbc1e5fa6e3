"""The benchmark's machinery on a few events, so that it does not rot between measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import backlog
from bench.broker import Broker
from bench.contestants import PLAIN_LOOP, WORKER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import brokers


@pytest.mark.embedded_will_do
def test_the_backlog_is_worked_off_and_answered_by_worker_and_plain_loop(
    kafka: brokers.Broker, tmp_path: Path
) -> None:
    if kafka.broker is None:
        pytest.skip("the broker's process is watched, and it is not ours")
    plan = backlog.Plan(events=5_000, warm_up=1_000, rounds=1)
    broker = Broker(kafka.bootstrap_servers, kafka.broker.pid, tmp_path)
    result = backlog.run(plan, [WORKER, PLAIN_LOOP], broker, print)

    assert [run.contestant.name for run in result.rounds[0]] == ["worker", "plain loop"]
    # The worker's copies of the definition are on the log as well.
    assert all(run.seen.committed >= plan.events + 4 for run in result.rounds[0])
    assert "worker" in backlog.figures(result)["worker is x times"]  # type: ignore[operator]
    assert backlog.table(result, "a backlog").row_count == 2
