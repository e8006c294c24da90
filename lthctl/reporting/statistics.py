"""Statistics for a handful of seeds: means with t intervals, paired differences, and verdicts.

With three to ten replicates a t interval keeps its promise and a bootstrap does not (simulated
coverage of a nominal 95 % interval over five
numbers: t .950, percentile .84, BCa .83), so Student's t is all that is used.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lthctl.reporting.looks import confidence_at, level_at

Verdict = Literal["better", "as good", "worse", "unknown", "too short to tell"]
"""All that a report says of a difference. "unknown": neither is shown, or there is nothing to
compare. "too short to tell": dense still improves at the end of its training."""


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
    values: Sequence[float],
    confidence: float,
    *,
    least_deviation: float = 0.0,
    looks: Sequence[int] = (),
) -> Interval:
    """Mean and t interval of some values, of which there is at least one.

    Args:
      values: the replicates.
      confidence: of the interval, in (0, 1).
      least_deviation: what the deviation is taken for where it is found to be less. Values that
        come in steps, as accuracies do in steps of an image, agree by chance, and with a deviation
        of 0 two of them would decide anything.
      looks: numbers of values at which one looks; the interval is that of a repeated look then, and
        has no ends where none is due.
    """
    n, mean = len(values), float(np.mean(values))
    if n == 1:
        return Interval(1, mean, None, None, None)
    deviation = max(float(np.std(values, ddof=1)), least_deviation)
    confidence = confidence_at(confidence, n, looks)
    if confidence == 1:
        return Interval(n, mean, None, None, deviation)
    half = t_quantile(n - 1, (1 + confidence) / 2) * deviation / math.sqrt(n)
    return Interval(n, mean, mean - half, mean + half, deviation)


def p_above(difference: Interval, bound: float) -> float:
    """One-sided p-value for a mean above `bound`; 1 for a single value."""
    if difference.deviation is None:
        return 1.0
    distance = difference.mean - bound
    if difference.deviation == 0:
        return 0.0 if distance > 0 else 1.0
    return _t_tail(difference.n - 1, distance / (difference.deviation / math.sqrt(difference.n)))


def p_below(difference: Interval, bound: float) -> float:
    """One-sided p-value for a mean below `bound`; 1 for a single value."""
    negated = Interval(difference.n, -difference.mean, None, None, difference.deviation)
    return p_above(negated, -bound)


def judge(
    difference: Interval | None,
    *,
    margin: float,
    confidence: float,
    looks: Sequence[int] = (),
    equivalence: bool = False,
) -> Verdict:
    """What a paired difference, such as ticket minus dense, shows; of it alone, unadjusted.

    "better": its two-sided interval lies above 0. "worse": it lies below `-margin`. "as good":
    above `-margin` by a one-sided test at alpha (of non-inferiority). Otherwise "unknown".

    Args:
      difference: None where there is nothing to compare.
      margin: what "as good" may cost, above 0, in the unit of the differences.
      confidence: 1 - alpha, above 0.5.
      looks: numbers of seeds at which one looks, fixed beforehand; empty for one look.
      equivalence: whether "as good" is to say that there is no difference. Then it takes two
        one-sided tests (Schuirmann, 1987): above `-margin`, and below `margin`.
    """
    if difference is None:
        return "unknown"
    level = level_at(1 - confidence, difference.n, looks)
    half = level_at((1 - confidence) / 2, difference.n, looks)
    if p_above(difference, 0) < half:
        return "better"
    if p_below(difference, -margin) < half:
        return "worse"
    if p_above(difference, -margin) < level and not (
        equivalence and p_below(difference, margin) >= level
    ):
        return "as good"
    return "unknown"


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for being several (Holm, 1979), in the order given."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = largest
    return adjusted


def t_quantile(degrees: int, probability: float) -> float:
    """The quantile of Student's t with so many degrees of freedom, of which there is one at
    least."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


def _t_tail(degrees: int, t: float) -> float:
    """P(T > t)."""
    from scipy.special import stdtr

    return float(stdtr(degrees, -t))
