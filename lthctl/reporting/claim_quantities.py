"""What a claim may be about: a closed list of quantities, each with its unit and measure.

Every value is paired by seed where it compares, and has a t interval. Ratios of steps are averaged
on a logarithmic scale. To add a quantity is an entry of `QUANTITIES`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from lthctl.artifacts.run import Run
from lthctl.params import ReportParams
from lthctl.reporting.arrivals import Arrival, Sooner, mean_arrival, sooner
from lthctl.reporting.experiments import (
    VALUE_ROUNDING,
    Experiment,
    interval_over,
    paired,
)
from lthctl.reporting.statistics import Interval, interval
from lthctl.reporting.targets import Target, times_sooner
from lthctl.reporting.verdicts import Group
from lthctl.training.history import MetricName


@dataclass(frozen=True)
class Question:
    """What is measured.

    Attributes:
      group: the runs that may be compared, and how they are judged.
      sizes: the experiments of tickets, densest first; one, but for a trend.
      other: what they are compared with; None where nothing is.
      target: the validation accuracy to be reached; None where that is not asked.
    """

    group: Group
    sizes: Sequence[Experiment]
    other: Experiment | None
    target: float | None

    @property
    def params(self) -> ReportParams:
        return self.group.params


Where = Literal["a size", "sizes", "a ladder"]


@dataclass(frozen=True)
class Quantity:
    """A quantity.

    Attributes:
      words: what it is, for people.
      unit: of its values: "%", "times" or "points".
      measure: gives its value; None where there is nothing to measure.
      metric: of runs that it reads; None where it reads their steps.
      where: "a size", at each size by itself; "sizes", along all of them; "a ladder", by walking
        it from the densest size down.
      compares: whether it is of tickets and something else.
      needs_target: whether it asks for a target.
    """

    words: str
    unit: Literal["%", "times", "points"]
    measure: Callable[[Question], Interval | None]
    metric: MetricName | None = None
    where: Where = "a size"
    compares: bool = True
    needs_target: bool = False


def _gain(metric: MetricName) -> Callable[[Question], Interval | None]:
    def measure(asked: Question) -> Interval | None:
        if asked.other is None:
            return None
        found = paired(asked.sizes[0].runs, asked.other.runs, metric, asked.params)
        return found and _hundredfold(found)

    return measure


def _level(metric: MetricName) -> Callable[[Question], Interval | None]:
    def measure(asked: Question) -> Interval | None:
        runs = list(asked.sizes[0].runs.values())
        return _hundredfold(interval_over(runs, metric, asked.params))

    return measure


def _early_stops(experiment: Experiment) -> dict[int, Arrival]:
    def stop(run: Run) -> Arrival:
        every = run.train.evaluate_every
        return Arrival(run.metrics.early_stop_step, run.history[-1].step, every)

    return {
        seed: mean_arrival([stop(run) for run in draws]) for seed, draws in experiment.runs.items()
    }


def _early_stop_times(asked: Question) -> Interval | None:
    if asked.other is None:
        return None
    own, others = _early_stops(asked.sizes[0]), _early_stops(asked.other)
    return _times(sooner(own, others, asked.params.confidence, asked.params.looks))


def _earlier(asked: Question) -> Interval | None:
    """Times sooner as the percent by which a step comes before another: 2 times are 50 %."""
    times = _early_stop_times(asked)
    return times and _mapped(times, lambda value: 100 * (1 - 1 / value))


def _target_times(asked: Question) -> Interval | None:
    return _times(times_sooner(asked.group, asked.sizes[0], asked.other, Target(asked.target)))


def _times(found: Sooner | None) -> Interval | None:
    return found.times if found else None


def _trend(asked: Question) -> Interval | None:
    """By how much the early-stop step comes sooner with every halving of the weights: the slope of
    its logarithm over that of the weights left, by least squares, a seed at a time, dense being
    the first size."""
    if asked.other is None:
        return None
    sizes = [asked.other, *asked.sizes]
    seeds = sorted(set[int].intersection(*(set(size.runs) for size in sizes)))
    halvings = [-math.log2(1 - size.sparsity) for size in sizes]
    middle = sum(halvings) / len(halvings)
    weights = [one - middle for one in halvings]
    spread = sum(weight**2 for weight in weights)
    if not seeds or spread == 0:
        return None
    slopes, rounding = [], 0.0
    for seed in seeds:
        stops = [_early_stops(size)[seed] for size in sizes]
        steps = [stop.step or stop.last_step for stop in stops]
        logs = [math.log(step) for step in steps]
        slopes.append(-sum(w * log for w, log in zip(weights, logs, strict=True)) / spread)
        nearest = [stop.interval / step for stop, step in zip(stops, steps, strict=True)]
        error = math.hypot(*(w * part for w, part in zip(weights, nearest, strict=True))) / spread
        rounding = max(rounding, VALUE_ROUNDING * error)
    params = asked.params
    found = interval(slopes, params.confidence, least_deviation=rounding, looks=params.looks)
    return _mapped(found, math.exp)


def _hundredfold(value: Interval) -> Interval:
    """Fractions as percent or points."""
    ends = (None if end is None else 100 * end for end in (value.low, value.high, value.deviation))
    return Interval(value.n, 100 * value.mean, *ends)


def _mapped(value: Interval, change: Callable[[float], float]) -> Interval:
    """An interval under a function that grows. The deviation stays that of what was averaged."""
    low, high = (None if end is None else change(end) for end in (value.low, value.high))
    return Interval(value.n, change(value.mean), low, high, value.deviation)


TEST: MetricName = "early_stop_test_accuracy"
BEST: MetricName = "best_accuracy"

QUANTITIES: dict[str, Quantity] = {
    "early_stop_earlier": Quantity("how much earlier the early-stop step is", "%", _earlier),
    "early_stop_times": Quantity(
        "how many times sooner the early-stop step is", "times", _early_stop_times
    ),
    "early_stop_trend": Quantity(
        "how many times sooner the early-stop step is with every halving of the weights",
        "times", _trend, where="sizes",
    ),
    "target_times": Quantity(
        "how many times sooner the target is reached", "times", _target_times, needs_target=True
    ),
    "test_gain": Quantity(
        "gain in test accuracy at the early-stop step", "points", _gain(TEST), TEST
    ),
    "validation_gain": Quantity(
        "gain in the best validation accuracy", "points", _gain(BEST), BEST
    ),
    "test_accuracy": Quantity(
        "test accuracy at the early-stop step", "%", _level(TEST), TEST, compares=False
    ),
    "validation_accuracy": Quantity(
        "best validation accuracy", "%", _level(BEST), BEST, compares=False
    ),
    "test_leaves_dense": Quantity(
        "the size at which a ladder is first not as good as dense, by test accuracy",
        "%", _gain(TEST), TEST, where="a ladder",
    ),
    "validation_leaves_dense": Quantity(
        "the size at which a ladder is first not as good as dense, by validation accuracy",
        "%", _gain(BEST), BEST, where="a ladder",
    ),
}  # fmt: skip
"""Name in a claims.yaml -> quantity."""
