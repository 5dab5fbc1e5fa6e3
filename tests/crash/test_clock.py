"""Clocks that are wrong: the worker's, and those of whoever writes to the log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.support.load import under_load
from tests.support.wrong_clock import WrongClock

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.processes import Running
    from tests.support.worker import Cluster

pytestmark = [pytest.mark.crash, pytest.mark.faults]

HOUR = 3600
TEN_YEARS = 10 * 365 * 24 * HOUR


@pytest.mark.parametrize("store", ["memory", "rocksdb"])
def test_a_worker_whose_clock_jumps_by_years_loses_and_doubles_nothing(
    cluster: Cluster, tmp_path: Path, store: str
) -> None:
    clock = WrongClock(tmp_path)

    def start() -> Running:
        return cluster.processes.start(
            "worker",
            *("--processes", "1"),
            env=cluster.environment(STORE=store) | clock.environment,
        )

    async def story() -> None:
        worker = start()
        async with under_load(cluster, seed=31) as load:
            for shift in (0, 2 * HOUR, TEN_YEARS, -TEN_YEARS, -2 * HOUR, TEN_YEARS):
                clock.shift(shift)
                await load.more(60)
            # Its successor's clock is right, and what it finds was written in the future.
            await asyncio.to_thread(worker.kill)
            clock.shift(0)
            worker = start()
            await load.more(60)
        assert worker.running()
        assert load.unknown == []

    asyncio.run(story())
