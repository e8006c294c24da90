"""Fixed sequences, several of them, and power: against numbers worked out by hand, and simulated."""

import numpy as np
import pytest
from scipy.stats import t as student

from lthctl.reporting.sequences import power, seeds_for_power, steps_held
from lthctl.reporting.statistics import Interval, interval, p_above


def test_a_ladder_is_walked_until_the_first_size_that_fails() -> None:
    assert steps_held([[0.003, 0.002, 0.004, 0.003, 0.0585, 0.9]], 0.05) == [4]
    assert steps_held([[0.06, 0.001]], 0.05) == [0]
    assert steps_held([[]], 0.05) == [0]
    assert steps_held([], 0.05) == []


def test_ladders_of_one_size_are_holms_procedure() -> None:
    # Holm at 5 %: 0.05 / 3, then 0.05 / 2, then 0.05.
    assert steps_held([[0.016], [0.024], [0.049]], 0.05) == [1, 1, 1]
    assert steps_held([[0.049], [0.016], [0.024]], 0.05) == [1, 1, 1]
    assert steps_held([[0.016], [0.026], [0.026]], 0.05) == [1, 0, 0]


def test_a_ladder_that_holds_to_its_end_hands_its_part_on() -> None:
    # Each has 0.025. The first holds whole; the second then has 0.05, enough for 0.04 and not 0.06.
    assert steps_held([[0.01, 0.02], [0.02, 0.04, 0.06]], 0.05) == [2, 2]
    # A ladder that stops midway keeps its part.
    assert steps_held([[0.01, 0.03], [0.02, 0.04]], 0.05) == [1, 1]


def test_power_by_hand() -> None:
    assert power(0.0, 1.0, 5, 0.05) == pytest.approx(0.05)
    # n = 1,000: the normal approximation, 1.645 + 0.842 standard errors for 80 %.
    assert power(2.487 / 1000**0.5, 1.0, 1000, 0.05) == pytest.approx(0.8, abs=2e-3)


def test_power_is_what_simulation_gives() -> None:
    random = np.random.default_rng(1)
    n, distance = 8, 0.9
    values = random.normal(distance, 1, (20_000, n))
    statistic = values.mean(axis=1) / (values.std(axis=1, ddof=1) / n**0.5)
    shown = np.mean(statistic > student.ppf(0.95, n - 1))
    assert power(distance, 1.0, n, 0.05) == pytest.approx(shown, abs=0.01)


def test_seeds_have_eighty_percent_power() -> None:
    found = Interval(5, -0.0012, None, None, 0.0009)
    needed = seeds_for_power(found, 0.0008, 0.05)
    assert needed == 10
    assert power(0.0008, 0.0009, 10, 0.05) >= 0.8 > power(0.0008, 0.0009, 9, 0.05)
    assert seeds_for_power(found, -0.0001, 0.05) is None
    assert seeds_for_power(Interval(1, 0.0, None, None, None), 1.0, 0.05) is None
    assert seeds_for_power(Interval(5, 0.0, None, None, 1.0), 0.01, 0.05) is None  # thousands


@pytest.mark.slow
@pytest.mark.parametrize("n", [3, 5, 10, 20])
def test_the_family_wise_error_holds_under_the_null(n: int) -> None:
    """Four ladders of seven sizes, correlated as runs of one seed are, all exactly at the margin:
    in at most 5 % of 4,000 reports (and what chance adds) any size is called as good as dense."""
    random = np.random.default_rng(n)
    wrong = 0
    for _ in range(4000):
        dense = random.normal(0, 1, n)
        ladders = [
            [p_above(interval(list(random.normal(0, 1, n) - dense), 0.95), 0.0) for _ in range(7)]
            for _ in range(4)
        ]
        wrong += any(steps_held(ladders, 0.05))
    assert wrong / 4000 <= 0.05 + 3 * (0.05 * 0.95 / 4000) ** 0.5
