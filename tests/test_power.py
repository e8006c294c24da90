"""Power and numbers of seeds: against numbers worked out by hand, tables, and simulations."""

import numpy as np
import pytest
from scipy.special import stdtrit  # Student's quantile: scipy.stats takes a second to import

from lthctl.reporting.power import (
    power,
    seeds_for_equivalence,
    seeds_for_power,
    seeds_to_decide,
)
from lthctl.reporting.statistics import Interval, judge


def of(n: int, mean: float, deviation: float) -> Interval:
    return Interval(n, mean, None, None, deviation)


def test_power_by_hand() -> None:
    assert power(0.0, 1.0, 5, 0.05) == pytest.approx(0.05)
    # n = 1,000: the normal approximation, 1.645 + 0.842 standard errors for 80 %.
    assert power(2.487 / 1000**0.5, 1.0, 1000, 0.05) == pytest.approx(0.8, abs=2e-3)


def test_power_is_what_simulation_gives() -> None:
    random = np.random.default_rng(1)
    n, distance = 8, 0.9
    values = random.normal(distance, 1, (20_000, n))
    statistic = values.mean(axis=1) / (values.std(axis=1, ddof=1) / n**0.5)
    shown = np.mean(statistic > stdtrit(n - 1, 0.95))
    assert power(distance, 1.0, n, 0.05) == pytest.approx(shown, abs=0.01)


def test_seeds_have_eighty_percent_power() -> None:
    found = Interval(5, -0.0012, None, None, 0.0009)
    needed = seeds_for_power(found, 0.0008, 0.05)
    assert needed == 10
    assert power(0.0008, 0.0009, 10, 0.05) >= 0.8 > power(0.0008, 0.0009, 9, 0.05)
    assert seeds_for_power(found, -0.0001, 0.05) is None
    assert seeds_for_power(Interval(1, 0.0, None, None, None), 1.0, 0.05) is None
    assert seeds_for_power(Interval(5, 0.0, None, None, 1.0), 0.01, 0.05) is None  # thousands


@pytest.mark.parametrize(
    ("effect", "seeds"),
    # Two-sided 5 %, power 80 %, one sample: pwr.t.test in R gives 33.4, 14.6, 9.9 and 7.2 (Cohen's
    # tables; Faul et al., 2007).
    [(0.5, 34), (0.8, 15), (1.0, 10), (1.25, 8)],
)
def test_seeds_are_those_of_published_tables(effect: float, seeds: int) -> None:
    assert seeds_for_power(of(2, effect, 1.0), effect, 0.025) == seeds


def test_seeds_for_equivalence_have_that_power_by_simulation() -> None:
    """Mean .0008, deviation .002: both tests of the margin succeed in 80 % of 20,000 reports."""
    seeds = seeds_for_equivalence(of(2, 0.0008, 0.002), 0.002, 0.05)
    assert seeds is not None
    values = np.random.default_rng(1).normal(0.0008, 0.002, (20_000, seeds))
    error = values.std(axis=1, ddof=1) / seeds**0.5
    critical = stdtrit(seeds - 1, 0.95)
    same = (values.mean(axis=1) - 0.002 < -critical * error) & (
        values.mean(axis=1) + 0.002 > critical * error
    )
    assert 0.79 < same.mean() < 0.83


@pytest.mark.parametrize(
    ("mean", "deviation", "equivalence", "seeds"),
    [
        # as good: 1.645 + .842 standard errors of .004 are .002 at n = 24.7
        (0.0, 0.004, False, 27),
        # worse by .001 beyond the margin, of spread .003: 7.85 * 9 is 70.6, and 2 for Student's t
        (-0.003, 0.003, False, 73),
        # better by .001 of spread .001 are 10, from the table above; below the margin 6.18 and 1.4
        (0.001, 0.001, True, 8),
        # the same: both sides at 80 % are 1.645 + 1.282 standard errors of .004: 34.3
        (0.0, 0.004, True, 36),
    ],
)
def test_seeds_to_decide_take_the_side_that_needs_the_fewest(
    mean: float, deviation: float, equivalence: bool, seeds: int
) -> None:
    found = of(3, mean, deviation)
    bounds = {"margin": 0.002, "confidence": 0.95, "equivalence": equivalence}
    assert judge(found, **bounds) == "unknown"
    assert seeds_to_decide(found, **bounds) == seeds


def test_there_is_no_telling_from_one_seed_nor_from_nothing() -> None:
    single = Interval(1, 0.0, None, None, None)
    assert seeds_to_decide(single, margin=0.002, confidence=0.95) is None
    assert seeds_to_decide(None, margin=0.002, confidence=0.95) is None
