"""The soak's slopes: found where there is one, and zero within the interval where there is none."""

from __future__ import annotations

import random

import pytest

from tests.history.soak import Sampler, trend, trends


def _series(per_hour: float, noise: float, *, seed: int = 1) -> list[tuple[float, float]]:
    rng = random.Random(seed)
    return [(s, 100 + per_hour * s / 3600 + rng.gauss(0, noise)) for s in range(0, 1800, 2)]


def test_a_line_without_noise_is_found_exactly() -> None:
    found = trend(_series(12.0, 0.0))
    assert found is not None
    assert (found.per_hour, found.low, found.high) == (12.0, 12.0, 12.0)
    assert found.end > found.begin


def test_the_interval_of_95_percent_holds_the_truth_that_often() -> None:
    found = [trend(_series(0.0, 5.0, seed=seed)) for seed in range(400)]
    held = sum(1 for line in found if line is not None and line.low <= 0 <= line.high)
    assert 0.92 < held / len(found) < 0.98


def test_what_grew_while_it_warmed_up_is_no_slope() -> None:
    warm = [(float(s), min(s, 500.0)) for s in range(0, 1800, 2)]
    found = trend(warm)
    assert found is not None
    assert found.per_hour == 0.0


def test_too_few_samples_have_no_slope() -> None:
    assert trend([]) is None
    assert trend([(float(s), 1.0) for s in range(30)]) is None


def test_only_the_process_that_lives_is_measured() -> None:
    def sample(s: int, pid: int, rss: float) -> dict[str, float]:
        return {"s": s, "pid": pid, "rss_mib": rss, "files": 9, "threads": 4}

    before = [sample(s, 1, s) for s in range(100)]
    after = [sample(s, 2, 50.0) for s in range(100, 300)]
    found = trends({"worker 1": before + after})["worker 1"]["rss_mib"]
    assert found is not None
    assert (found.begin, found.per_hour) == (pytest.approx(50.0), 0.0)


def test_a_system_of_no_processes_gives_no_samples() -> None:
    class Nothing:
        places = ()

    with Sampler(Nothing()) as sampler:  # type: ignore[arg-type]
        pass
    assert sampler.samples == {}
