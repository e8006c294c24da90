"""Steps to target: how long a run takes to reach an accuracy, and how much sooner another does.

The early-stop step is the minimum of a flat and noisy curve. The first evaluation at or above a
target answers the same question with far less noise. Runs of one seed share weights and batches, so
they are compared in pairs, by the ratio of their steps, on a logarithmic scale.

Knows histories, and nothing of tickets.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lthctl.reporting.statistics import Interval, interval
from lthctl.training.history import Row

RATIO_ROUNDING = 1 / math.sqrt(6)
"""Standard deviation that rounding both of two numbers to steps of 1 gives to their difference."""


Kind = Literal["exact", "at least", "at most", "unknown"]


@dataclass(frozen=True)
class Arrival:
    """When a run reached a target.

    Attributes:
      step: the first evaluation at or above it; None where the run never got there. A mean of
        several draws need not be a whole number.
      last_step: the last evaluation of the run; of several draws see `mean_arrival`.
      interval: steps between two evaluations, so the arrival is known to this much.
    """

    step: float | None
    last_step: float
    interval: int

    @property
    def is_first(self) -> bool:
        """Whether it is the first evaluation: then nobody knows how much earlier it was."""
        return self.step is not None and self.step <= self.interval


@dataclass(frozen=True)
class Sooner:
    """How many times sooner some runs reach a target than others of the same seeds.

    Attributes:
      n: number of pairs.
      times: geometric mean of other steps / own steps, with the ends of its interval; above 1 is
        sooner. Where not all arrived it is a bound, and has an end on that side only.
      num_missing: own runs that never got there.
      num_others_missing: other runs that never got there.
      kind: "exact" where all arrived; "at least" where only others are missing, which count as
        arriving at their last step; "at most" where only own runs are; "unknown" where both are,
        or where all arrive at the first evaluation.
    """

    n: int
    times: Interval | None
    num_missing: int
    num_others_missing: int
    kind: Kind


def arrival(history: Sequence[Row], target: float) -> Arrival:
    """When a run reached a validation accuracy.

    Args:
      history: its evaluations, at least one.
      target: the accuracy, a fraction in [0, 1].
    """
    step = next((row.step for row in history if row.validation_accuracy >= target), None)
    return Arrival(step, history[-1].step, history[0].step)


def mean_arrival(draws: Sequence[Arrival]) -> Arrival:
    """When several draws of one seed reach a target: the geometric mean of their steps, as steps
    are compared by their ratio.

    Where a draw never gets there, nor do they together. Their `last_step` is then the least that
    the mean can be: what did not arrive counts as arriving at its last step.

    Args:
      draws: at least one.

    Example:
      >>> mean_arrival([Arrival(500, 3000, 250), Arrival(2000, 3000, 250)]).step
      1000.0
    """
    if len(draws) == 1:
        return draws[0]
    bound = _geometric_mean([one.last_step if one.step is None else one.step for one in draws])
    every = max(one.interval for one in draws)
    return Arrival(None if any(one.step is None for one in draws) else bound, bound, every)


def _geometric_mean(values: Sequence[float]) -> float:
    if min(values) == max(values):  # exactly, and not to rounding
        return values[0]
    return round(math.exp(sum(map(math.log, values)) / len(values)), 6)


def sooner(
    own: Mapping[int, Arrival],
    others: Mapping[int, Arrival],
    confidence: float,
    looks: Sequence[int] = (),
) -> Sooner | None:
    """How many times sooner runs arrive than others, over the seeds that both have.

    Args:
      own, others: seed -> arrival.
      confidence: of the interval, in (0, 1).
      looks: numbers of seeds at which one looks; see `interval`.

    Returns:
      None where they have no seed in common.

    Example:
      >>> own = {1: Arrival(500, 3000, 250), 2: Arrival(1000, 3000, 250)}
      >>> others = {1: Arrival(1000, 3000, 250), 2: Arrival(2000, 3000, 250)}
      >>> round(sooner(own, others, 0.95).times.mean, 3)
      2.0
    """
    seeds = sorted(own.keys() & others.keys())
    if not seeds:
        return None
    pairs = [(own[seed], others[seed]) for seed in seeds]
    missing = sum(mine.step is None for mine, _ in pairs)
    others_missing = sum(other.step is None for _, other in pairs)
    early = all(mine.is_first and other.is_first for mine, other in pairs)
    if (missing and others_missing) or missing == len(pairs) or early:
        return Sooner(len(pairs), None, missing, others_missing, "unknown")
    steps = [
        (
            mine.step or mine.last_step,
            other.step or other.last_step,
            max(mine.interval, other.interval),
        )
        for mine, other in pairs
    ]
    logs = [math.log(other / mine) for mine, other, _ in steps]
    rounding = [
        RATIO_ROUNDING * every * math.hypot(1 / mine, 1 / other) / math.sqrt(2)
        for mine, other, every in steps
    ]
    found = interval(logs, confidence, least_deviation=max(rounding), looks=looks)
    kind: Kind = "at most" if missing else "at least" if others_missing else "exact"
    return Sooner(len(pairs), _exponential(found, kind), missing, others_missing, kind)


def _exponential(found: Interval, kind: Kind) -> Interval:
    low, high = (None if end is None else math.exp(end) for end in (found.low, found.high))
    low, high = (None if kind == "at most" else low), (None if kind == "at least" else high)
    return Interval(found.n, math.exp(found.mean), low, high, found.deviation)
