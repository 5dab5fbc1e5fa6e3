"""Schedules with several deviations, as Hypothesis draws them. `make simulate` runs 10,000."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings

from tests.simulation.explore import run
from tests.simulation.strategies import runs

if TYPE_CHECKING:
    from tests.simulation.schedule import Schedule


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=runs())
def test_every_promise_is_kept_whatever_happens_together(drawn: tuple[str, Schedule]) -> None:
    assert run(*drawn) is not None
