"""The simulation sees: each of these mistakes breaks a promise in a schedule near the fair one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.simulation.explore import Broken, Near, nearest, run
from tests.simulation.mutants import MUTANTS

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("mutant", "scenario", "where"), MUTANTS, ids=[mutant.__name__ for mutant, *_ in MUTANTS]
)
def test_a_mistake_is_seen(mutant: Callable[[], Any], scenario: str, where: str) -> None:
    near = [each for each in nearest(scenario) if where in each.what]
    assert near
    with mutant(), pytest.raises(Broken):
        _run_all(scenario, near)


def _run_all(scenario: str, near: list[Near]) -> None:
    for each in near:
        run(scenario, each.schedule)
