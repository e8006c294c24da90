"""Intervals, p-values, Holm's adjustment and verdicts, against SciPy and against numbers worked out
by hand.

With two values Student's t has one degree of freedom and is Cauchy's distribution: P(T > 1) is
exactly 1/4. With three, P(|T| > t) is 1 - t / sqrt(2 + t^2). Most of what is checked by hand here
uses these two.
"""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthctl.reporting.statistics import (
    Interval,
    Verdict,
    holm,
    interval,
    judge,
    p_above,
    p_below,
)

SINGLE = Interval(1, 0.5, None, None, None)  # one seed: says nothing of spread

fixed = settings(
    derandomize=True, deadline=None, max_examples=40
)  # the same examples every time, however busy the machine
several = st.lists(st.integers(-1000, 1000), min_size=2, max_size=12).filter(
    lambda values: len(set(values)) > 1
)


def of(n: int, mean: float, deviation: float) -> Interval:
    """Summary figures of `n` values; the ends play no part in a test."""
    return Interval(n, mean, None, None, deviation)


def verdict_of(difference: Interval | None, *, margin: float, confidence: float = 0.95) -> Verdict:
    return judge(difference, margin=margin, confidence=confidence)


# --- intervals


def test_interval_by_hand() -> None:
    found = interval(
        [1.0, 3.0], 0.5
    )  # deviation sqrt 2, standard error 1, and Cauchy's quartile is 1
    assert (found.n, found.mean) == (2, 2.0)
    assert found.deviation == pytest.approx(math.sqrt(2))
    assert (found.low, found.high) == pytest.approx((1.0, 3.0))


def test_interval_of_five_by_hand() -> None:
    found = interval(
        [1, 2, 3, 4, 5], 0.95
    )  # variance 10 / 4; 2.776 from a table of t with 4 degrees of freedom
    assert found.deviation == pytest.approx(math.sqrt(2.5))
    assert found.low == pytest.approx(3 - 2.776 * math.sqrt(2.5 / 5), abs=1e-3)
    assert found.high == pytest.approx(3 + 2.776 * math.sqrt(2.5 / 5), abs=1e-3)


@fixed
@given(values=several, confidence=st.sampled_from([0.8, 0.95, 0.99]))
def test_interval_agrees_with_scipy(values: list[int], confidence: float) -> None:
    import scipy.stats  # two seconds

    found = interval(values, confidence)
    low, high = scipy.stats.t.interval(
        confidence, len(values) - 1, loc=np.mean(values), scale=scipy.stats.sem(values, ddof=1)
    )
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9, abs=1e-9)


def test_interval_of_a_single_value_has_no_ends() -> None:
    assert interval([0.97], 0.95) == Interval(1, 0.97, None, None, None)


def test_interval_of_equal_values_is_a_point() -> None:
    assert interval([0.75, 0.75, 0.75], 0.95) == Interval(3, 0.75, 0.75, 0.75, 0.0)


def test_a_nominal_95_percent_interval_over_five_normal_numbers_covers_about_that() -> None:
    samples = np.random.default_rng(1).normal(10, 3, (4000, 5))
    intervals = [interval(sample, 0.95) for sample in samples]
    assert all(found.low is not None and found.high is not None for found in intervals)
    covered = np.mean([found.low <= 10 <= found.high for found in intervals])
    assert 0.94 < covered < 0.96  # three standard errors; with the normal quantile it would be 0.88


# --- p-values


@pytest.mark.parametrize(("bound", "p"), [(1.0, 0.25), (2.0, 0.5), (3.0, 0.75)])
def test_p_above_of_two_values_by_hand(bound: float, p: float) -> None:
    assert p_above(interval([1.0, 3.0], 0.95), bound) == pytest.approx(p)


def test_p_below_by_hand() -> None:
    assert p_below(of(2, 1.0, math.sqrt(2)), 2.0) == pytest.approx(0.25)  # t is 1
    assert p_below(of(3, -2.0, math.sqrt(3)), 0.0) == pytest.approx((1 - 2 / math.sqrt(6)) / 2)


@fixed
@given(values=several, bound=st.integers(-5, 5))
def test_p_values_agree_with_scipy(values: list[int], bound: int) -> None:
    import scipy.stats

    found = interval(values, 0.95)
    one_sided = scipy.stats.ttest_1samp(values, bound, alternative="greater").pvalue
    other_side = scipy.stats.ttest_1samp(values, bound, alternative="less").pvalue
    assert p_above(found, bound) == pytest.approx(one_sided, rel=1e-7, abs=1e-12)
    assert p_below(found, bound) == pytest.approx(other_side, rel=1e-7, abs=1e-12)


def test_p_values_of_a_single_value_are_1() -> None:
    assert p_above(SINGLE, -100.0) == 1
    assert p_below(SINGLE, 100.0) == 1


def test_p_values_without_deviation() -> None:
    equal = of(3, 0.25, 0.0)
    assert [p_above(equal, bound) for bound in (0.125, 0.25, 0.5)] == [
        0,
        1,
        1,
    ]  # above, at and below
    assert [p_below(equal, bound) for bound in (0.125, 0.25, 0.5)] == [1, 1, 0]


# --- Holm


def test_holm_textbook_example() -> None:
    # In order: .005 x 4 = .02, .01 x 3 = .03, .03 x 2 = .06, and .04 x 1 is raised to the .06
    # before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_of_one_none_and_ties() -> None:
    assert holm([]) == []
    assert holm([0.04]) == [0.04]
    assert holm([0.02, 0.02]) == pytest.approx([0.04, 0.04])
    assert holm([0.6, 0.5]) == [1, 1]  # never above 1


@fixed
@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=8), order=st.randoms())
def test_holm_keeps_the_order_and_does_not_depend_on_it(
    p_values: list[float], order: random.Random
) -> None:
    adjusted = holm(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    by_p = [a for _, a in sorted(zip(p_values, adjusted, strict=True))]
    assert by_p == sorted(by_p)
    assert min(adjusted) == min(1, min(p_values) * len(p_values))
    shuffled = list(range(len(p_values)))
    order.shuffle(shuffled)
    assert holm([p_values[index] for index in shuffled]) == [adjusted[index] for index in shuffled]


# --- verdicts


@pytest.mark.parametrize(
    ("mean", "deviation", "verdict"),
    [
        (0.010, 0.001, "better"),
        (0.001, 0.0015, "as good"),  # t of 0 is 1.5, of the margin 4.5
        (-0.0005, 0.0005, "as good"),  # t of 0 is -2.2, of the margin 6.7
        (-0.0005, 0.0001, "as good"),  # surely below dense (t is -11), and by less than the margin
        (-0.010, 0.001, "worse"),
        (-0.003, 0.0008, "worse"),  # t of the margin is -2.80; 2.78 is the quantile
        (-0.003, 0.0009, "unknown"),  # -2.48: below dense (t is -7.5), nobody knows by how much
        (-0.002, 0.005, "unknown"),
        (0.002, 0.010, "unknown"),
    ],
)
def test_each_verdict(mean: float, deviation: float, verdict: Verdict) -> None:
    assert verdict_of(of(5, mean, deviation), margin=0.002) == verdict


@pytest.mark.parametrize(
    ("equal", "verdict"),
    [(0.125, "better"), (0.0, "as good"), (-0.125, "as good"), (-0.25, "unknown"), (-0.5, "worse")],
)
def test_verdict_on_equal_differences(equal: float, verdict: Verdict) -> None:
    """At the margin itself the cost is neither below it nor above."""
    assert verdict_of(interval([equal] * 5, 0.95), margin=0.25) == verdict


@pytest.mark.parametrize("mean", [-1.0, -0.002, 0.0, 0.002, 1.0])
@pytest.mark.parametrize("confidence", [0.51, 0.95])
def test_a_single_seed_never_decides(mean: float, confidence: float) -> None:
    single = interval([mean], confidence)
    assert verdict_of(single, margin=0.002, confidence=confidence) == "unknown"


def test_nothing_to_compare_is_unknown() -> None:
    assert verdict_of(None, margin=0.002) == "unknown"


def test_confidence_counts() -> None:
    """The p of t = 3 with 4 degrees of freedom is .040, two-sided."""
    difference = of(5, 3.0, math.sqrt(5))
    assert verdict_of(difference, margin=1e-6, confidence=0.95) == "better"
    assert verdict_of(difference, margin=1e-6, confidence=0.97) == "as good"
    assert verdict_of(difference, margin=1e-6, confidence=0.99) == "unknown"


@pytest.mark.parametrize(
    ("mean", "deviation", "verdict"),
    [
        (0.0, 0.001, "as good"),  # t of either margin is 4.5
        (0.0005, 0.001, "as good"),  # 5.6 and 3.4
        (-0.0005, 0.001, "as good"),
        (0.0005, 0.0015, "as good"),  # 3.7 and 2.24; 2.13 is the quantile
        (0.0005, 0.0016, "unknown"),  # 2.096: perhaps better by more than the margin
        (
            0.0010,
            0.0015,
            "unknown",
        ),  # not below the margin, which is as good as dense, not the same
        (0.010, 0.001, "better"),
        (-0.010, 0.001, "worse"),
    ],
)
def test_to_be_the_same_takes_a_test_on_either_side(
    mean: float, deviation: float, verdict: Verdict
) -> None:
    difference = of(5, mean, deviation)
    assert judge(difference, margin=0.002, confidence=0.95, equivalence=True) == verdict


def test_two_seeds_that_agree_by_chance_decide_nothing() -> None:
    """Accuracies come in steps of an image: two seeds whose differences have a deviation of 5 agree
    in one case of 18."""
    one_image = interval([0.0001, 0.0001], 0.95, least_deviation=0.0001 / math.sqrt(6))
    assert verdict_of(one_image, margin=0.00005) == "unknown"


def test_rounding_is_no_spread() -> None:
    correct = [
        9775,
        9642,
        9713,
        9642,
        9642,
    ]  # of 10,000; every ticket is 20 images worse, which is the margin
    differences = [(number - 20) / 10_000 - number / 10_000 for number in correct]
    found = interval(differences, 0.95, least_deviation=0.0001 / math.sqrt(6))
    assert verdict_of(found, margin=0.002) == "unknown"
