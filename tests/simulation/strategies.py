"""Schedules as Hypothesis draws them: few deviations, anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from tests.simulation.explore import DECISIONS, OPTIONS, SCENARIOS
from tests.simulation.schedule import Schedule

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn


@st.composite
def runs(draw: DrawFn) -> tuple[str, Schedule]:
    """A scenario, and up to eight deviations; shrinks to the fewest, and to the earliest."""
    name = draw(st.sampled_from(sorted(SCENARIOS)))
    numbers = st.integers(0, DECISIONS[name])
    deviations = st.dictionaries(numbers, st.integers(1, OPTIONS), min_size=1, max_size=8)
    return name, Schedule(draw(deviations))
