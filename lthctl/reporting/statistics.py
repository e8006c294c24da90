"""Statistics for a handful of seeds: means with t intervals, paired differences, and verdicts.

With three to ten replicates a t interval keeps its promise and a bootstrap does not (simulated
coverage of a nominal 95 % interval over five
numbers: t .950, percentile .84, BCa .83), so Student's t is all that is used.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

MOST_SEEDS = 1000


Verdict = Literal["better", "as good", "worse", "undecided"]


@dataclass(frozen=True)
class Interval:
    """A mean with its two-sided confidence interval.

    Attributes:
      n: number of values.
      mean: their mean.
      low, high: the interval's ends; None for a single value, which says nothing about spread.
      deviation: standard deviation of the values (n - 1), or the least that it may be taken for;
        None for a single value.
    """

    n: int
    mean: float
    low: float | None
    high: float | None
    deviation: float | None


def interval(
    values: Sequence[float], confidence: float, *, least_deviation: float = 0.0
) -> Interval:
    """Mean and t interval of some values, of which there is at least one.

    Args:
      values: the replicates.
      confidence: of the interval, in (0, 1).
      least_deviation: what the deviation is taken for where it is found to be less. Values that
        come in steps, as accuracies do in steps of an image, agree by chance, and with a deviation
        of 0 two of them would decide anything.
    """
    n, mean = len(values), float(np.mean(values))
    if n == 1:
        return Interval(1, mean, None, None, None)
    deviation = max(float(np.std(values, ddof=1)), least_deviation)
    half = _t_quantile(n - 1, (1 + confidence) / 2) * deviation / math.sqrt(n)
    return Interval(n, mean, mean - half, mean + half, deviation)


def p_above(difference: Interval, bound: float) -> float:
    """One-sided p-value for a mean above `bound`; 1 for a single value."""
    if difference.deviation is None:
        return 1.0
    distance = difference.mean - bound
    if difference.deviation == 0:
        return 0.0 if distance > 0 else 1.0
    return _t_tail(difference.n - 1, distance / (difference.deviation / math.sqrt(difference.n)))


def p_nonzero(difference: Interval) -> float:
    """Two-sided p-value for a mean other than 0; 1 for a single value."""
    negated = Interval(difference.n, -difference.mean, None, None, difference.deviation)
    return min(1.0, 2 * min(p_above(difference, 0), p_above(negated, 0)))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for being several (Holm, 1979), in the order given."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = largest
    return adjusted


def judge(differences: Sequence[Interval], *, margin: float, confidence: float) -> list[Verdict]:
    """What paired differences, such as ticket minus dense, show; adjusted by Holm for being
    several.

    "better": above 0. "as good": above `-margin` (one-sided non-inferiority). "worse": below 0 and
    not as good. Otherwise "undecided", which is a result too. The two questions, moved and kept up,
    are each adjusted by themselves.

    Args:
      differences: one per experiment of a grid.
      margin: what "as good" may cost, above 0, in the unit of the differences.
      confidence: 1 - alpha.
    """
    alpha = 1 - confidence
    verdicts: list[Verdict] = []
    moved, kept_up = (
        holm([p_nonzero(d) for d in differences]),
        holm([p_above(d, -margin) for d in differences]),
    )
    for difference, p_moved, p_kept_up in zip(differences, moved, kept_up, strict=True):
        if p_moved < alpha and difference.mean > 0:
            verdicts.append("better")
        elif p_kept_up < alpha:
            verdicts.append("as good")
        elif p_moved < alpha:
            verdicts.append("worse")
        else:
            verdicts.append("undecided")
    return verdicts


def seeds_to_decide(
    difference: Interval, *, margin: float, confidence: float, num_experiments: int
) -> int | None:
    """How many seeds would decide, were mean and deviation to stay as they are.

    Args:
      difference: an undecided one.
      margin, confidence: as in `judge`.
      num_experiments: number of experiments that are judged together; the strictest of Holm's
        levels is assumed.

    Returns:
      The smallest such number, or None where there is no telling (a single value) or it is above
      1000.
    """
    alpha = (1 - confidence) / num_experiments
    moved = (abs(difference.mean), alpha / 2)
    return seeds_to_show(difference, [(difference.mean + margin, alpha), moved])


def seeds_to_show(difference: Interval, questions: Sequence[tuple[float, float]]) -> int | None:
    """How many seeds would answer one of some questions, were mean and deviation to stay as they
    are.

    Args:
      difference: one that answers none of them yet.
      questions: for each how far the mean lies beyond the bound in question, and the one-sided
        level of its test.

    Returns:
      The smallest such number, or None where there is no telling (a single value) or it is above
      1000.
    """
    if difference.deviation is None:
        return None
    deviation = difference.deviation

    def shows(n: int) -> bool:
        error = deviation / math.sqrt(n)
        return any(
            distance > _t_quantile(n - 1, 1 - level) * error for distance, level in questions
        )

    numbers = range(difference.n + 1, MOST_SEEDS + 1)
    first = bisect_left(numbers, True, key=shows)  # more seeds than enough are enough
    return numbers[first] if first < len(numbers) else None


def _t_quantile(degrees: int, probability: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


def _t_tail(degrees: int, t: float) -> float:
    """P(T > t)."""
    from scipy.special import stdtr

    return float(stdtr(degrees, -t))
