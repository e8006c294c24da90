"""How many seeds would tell: the power of t tests, by the noncentral t distribution.

The mean and the spread are taken to be what was measured. With few seeds these are rough, and so
are the numbers.
"""

import math
from bisect import bisect_left
from collections.abc import Callable

from lthctl.reporting.statistics import Interval

POWER = 0.8
"""The probability with which a number of seeds has to show what is so."""

MOST_SEEDS = 1000


def power(distance: float, deviation: float, n: int, level: float) -> float:
    """The probability that a one-sided t test shows a mean beyond a bound.

    Args:
      distance: how far the true mean lies beyond the bound; negative if it does not.
      deviation: standard deviation of the values, above 0.
      n: number of values, at least 2.
      level: of the test, in (0, 1).
    """
    from scipy.special import nctdtr, stdtrit  # scipy.stats takes seconds to import

    critical = float(stdtrit(n - 1, 1 - level))
    return 1 - float(nctdtr(n - 1, distance / deviation * math.sqrt(n), critical))


def seeds_for_power(difference: Interval, distance: float, level: float) -> int | None:
    """How many seeds would show a mean beyond a bound with a power of 80 %.

    Args:
      difference: what was measured, of at least two values.
      distance: how far its mean lies beyond the bound.
      level: of the one-sided test.

    Returns:
      The smallest such number that is greater than what there is. None where the mean does not lie
      beyond the bound, for a single value, and above 1000.
    """
    return _fewest(difference, distance, lambda n, spread: power(distance, spread, n, level))


def seeds_for_equivalence(difference: Interval, margin: float, level: float) -> int | None:
    """How many seeds would show a mean within the margin of 0, on both sides, with a power of 80 %.

    That both tests fail at a time is not counted on, so the number is at most a little too high.
    """
    nearest = margin - abs(difference.mean)
    farthest = margin + abs(difference.mean)

    def both(n: int, spread: float) -> float:
        return power(nearest, spread, n, level) + power(farthest, spread, n, level) - 1

    return _fewest(difference, nearest, both)


def seeds_to_decide(
    difference: Interval | None, *, margin: float, confidence: float, equivalence: bool = False
) -> int | None:
    """How many seeds would end an "unknown" of `judge`, on whichever side needs the fewest.

    Args:
      difference: one of which nothing is known; None where there is nothing to compare.
      margin, confidence, equivalence: as in `judge`.
    """
    if difference is None:
        return None
    alpha = 1 - confidence
    numbers = [
        seeds_for_power(difference, difference.mean, alpha / 2),
        seeds_for_power(difference, -difference.mean - margin, alpha / 2),
        seeds_for_equivalence(difference, margin, alpha)
        if equivalence
        else seeds_for_power(difference, difference.mean + margin, alpha),
    ]
    return min((number for number in numbers if number is not None), default=None)


def _fewest(
    difference: Interval, distance: float, power_of: Callable[[int, float], float]
) -> int | None:
    if difference.deviation is None or distance <= 0:
        return None
    spread = max(difference.deviation, 1e-12)
    numbers = range(max(2, difference.n + 1), MOST_SEEDS + 1)
    first = bisect_left(numbers, POWER, key=lambda n: power_of(n, spread))  # more seeds, more power
    return numbers[first] if first < len(numbers) else None
