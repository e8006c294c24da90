"""Fixed sequences and several of them: against numbers worked out by hand, and simulated."""

import numpy as np
import pytest

from lthctl.reporting.sequences import steps_held
from lthctl.reporting.statistics import interval, p_above


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
