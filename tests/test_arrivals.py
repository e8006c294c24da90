"""Steps to target, by hand."""

import math

import pytest

from lthctl.reporting.arrivals import Arrival, arrival, sooner
from lthctl.training.history import Row


def history(*accuracies: float, every: int = 250) -> list[Row]:
    return [Row(every * i, 0.1, 0.1, accuracy) for i, accuracy in enumerate(accuracies, start=1)]


def at(*steps: int | None, last: int = 3000, every: int = 250) -> dict[int, Arrival]:
    return {seed: Arrival(step, last, every) for seed, step in enumerate(steps, start=1)}


def test_the_first_evaluation_at_or_above_the_target_counts() -> None:
    assert arrival(history(0.9, 0.97, 0.96, 0.98), 0.97) == Arrival(500, 1000, 250)
    assert arrival(history(0.9, 0.9699), 0.97) == Arrival(None, 500, 250)
    assert arrival(history(0.98), 0.97).is_first


def test_ratios_are_paired_and_geometric() -> None:
    exact = sooner(at(500, 1000, 500), at(1000, 2000, 2000), 0.95)
    assert exact is not None and exact.times is not None and exact.kind == "exact"
    assert exact.times.mean == pytest.approx((2 * 2 * 4) ** (1 / 3))
    # by hand: logs ln 2, ln 2, ln 4; deviation ln 2 / sqrt 3; t with 2 degrees of freedom at 97.5 %
    deviation = math.log(2) / math.sqrt(3)
    half = 4.302652729911275 * deviation / math.sqrt(3)
    assert exact.times.low == pytest.approx(math.exp(math.log(16) / 3 - half))
    assert exact.times.high == pytest.approx(math.exp(math.log(16) / 3 + half))


def test_only_seeds_that_both_have_are_compared() -> None:
    found = sooner(at(500, 500), {2: Arrival(1000, 3000, 250), 7: Arrival(250, 3000, 250)}, 0.95)
    assert found is not None and found.n == 1
    assert found.times is not None and found.times.mean == 2 and found.times.low is None
    assert sooner(at(500), {9: Arrival(1000, 3000, 250)}, 0.95) is None


def test_runs_that_never_arrive_give_a_bound_and_no_mean() -> None:
    bound = sooner(at(1000, 1500), at(2000, None), 0.95)
    assert bound is not None and bound.kind == "at least" and bound.num_others_missing == 1
    assert bound.times is not None and bound.times.mean == pytest.approx(
        2.0
    )  # 3000 counts, or more
    late = sooner(at(1000, None), at(2000, 3000), 0.95)
    assert late is not None and late.kind == "at most" and late.num_missing == 1
    neither = sooner(at(None, None), at(None, 1000), 0.95)
    assert neither is not None and neither.kind == "unknown" and neither.times is None


def test_agreeing_by_the_grid_of_evaluations_decides_nothing_by_itself() -> None:
    """Three equal ratios have no spread; what rounding to evaluations hides is their spread then."""
    found = sooner(at(500, 500, 500), at(750, 750, 750), 0.95)
    assert found is not None and found.times is not None
    assert found.times.low is not None and found.times.low < 1.5 < (found.times.high or 0)


def test_everybody_at_the_first_evaluation_is_unknown() -> None:
    found = sooner(at(250, 250), at(250, 250), 0.95)
    assert found is not None and found.kind == "unknown"
