"""Schedules as Hypothesis draws them: few deviations, anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from tests.simulation.explore import DECISIONS, OPTIONS, SCENARIOS
from tests.simulation.schedule import Schedule

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


def scenarios() -> SearchStrategy[str]:
    """One of the scenarios."""
    return st.sampled_from(sorted(SCENARIOS))


def schedules() -> SearchStrategy[Schedule]:
    """Up to eight deviations; shrinks to the fewest, and to the earliest."""
    deviations = st.dictionaries(
        st.integers(0, DECISIONS), st.integers(1, OPTIONS), min_size=1, max_size=8
    )
    return deviations.map(Schedule)
