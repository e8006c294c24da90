"""Schedules of the learning rate by name: what it is at every step of a training.

A schedule is a function `(step, params) -> factor` of the steps that were taken before and of how
to train; the factor times `train.lr` is the rate of the next step. It is called `module:name` in
`train.schedule`. Engines are given numbers, so every engine has every schedule.
"""

import bisect
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lthctl import families
from lthctl.errors import ParamsError, TrainingError
from lthctl.families import Family, checked_callable
from lthctl.params import TrainParams

Factor = Callable[[int, TrainParams], float]


@dataclass(frozen=True)
class Schedule:
    """A schedule of the learning rate.

    Attributes:
      factor: takes the steps taken before, from 0, and how to train, and returns what `train.lr` is
        multiplied with, at least 0.
      has_drops: whether it reads `train.lr_drops`.
    """

    factor: Factor
    has_drops: bool = False


def as_schedule(name: str, given: object) -> Schedule:
    """A member of the family from what a person brought: a `Schedule`, or its function.

    Raises:
      TypeError: it is neither; says what was expected.
    """
    if isinstance(given, Schedule):
        return given
    expected = "a function (step, params), or a lthctl.training.schedules.Schedule"
    return Schedule(checked_callable(given, 2, expected), has_drops=True)


def _constant(step: int, params: TrainParams) -> float:
    return 1.0


def _step(step: int, params: TrainParams) -> float:
    """Drops at given steps, as in He et al., CVPR 2016 (arXiv 1512.03385), section 4.2."""
    passed = bisect.bisect_right([at for at, _ in params.lr_drops], step)
    return params.lr_drops[passed - 1][1] if passed else 1.0


def _cosine(step: int, params: TrainParams) -> float:
    """Half a cosine to 0, from Loshchilov & Hutter, ICLR 2017 (arXiv 1608.03983), no restarts."""
    return 0.5 * (1.0 + math.cos(math.pi * _progress(step, params)))


def _linear(step: int, params: TrainParams) -> float:
    """A straight line to 0, as in Li, Yumer & Ramanan, ICLR 2020 (arXiv 1905.04753)."""
    return 1.0 - _progress(step, params)


def _progress(step: int, params: TrainParams) -> float:
    """How much of the steps after the warm-up is over, in [0, 1]."""
    return max(0, step - params.warmup) / max(1, params.steps - params.warmup)


CONSTANT = Schedule(_constant)

STEP = Schedule(_step, has_drops=True)

COSINE = Schedule(_cosine)

LINEAR = Schedule(_linear)

SCHEDULES: Family[Schedule] = families.SCHEDULES


def check_schedule(params: TrainParams) -> None:
    """Refuse what would say nothing, or would not come to its end.

    Raises:
      ParamsError: there is no such schedule; it has no use for drops, or lacks them; or the warm-up
        is longer than the training.
    """
    schedule = SCHEDULES.get(params.schedule)
    if params.lr_drops and not schedule.has_drops:
        raise ParamsError(
            f"train.lr_drops: are given, but train.schedule is {params.schedule}, which has no "
            "drops; set train.schedule to step, or leave them out"
        )
    if params.schedule == "step" and not params.lr_drops:
        raise ParamsError(
            "train.lr_drops: are missing, which train.schedule step needs; give them, such as "
            "lr_drops: {20000: 0.1}"
        )
    if params.warmup > params.steps:
        raise ParamsError(
            f"train.warmup: is {params.warmup}, expected at most {params.steps}, the steps of a "
            f"training; {_way_out(params)}"
        )


def check_drops(params: TrainParams) -> None:
    """Refuse drops of the rate that no training comes to; for what a person states.

    Raises:
      ParamsError: one is after the last step.
    """
    late = [step for step, _ in params.lr_drops if step >= params.steps]
    if late:
        raise ParamsError(
            f"train.lr_drops: has one after {late[0]} steps, expected fewer than {params.steps}, "
            f"the steps of a training; {_way_out(params)}"
        )


def _way_out(params: TrainParams) -> str:
    """What to set in a training that is shorter than its schedule; all of it, in one go."""
    reached = [f"{step}: {factor:g}" for step, factor in params.lr_drops if step < params.steps]
    settings = ["train.warmup=0"] if params.warmup > params.steps else []
    if len(reached) < len(params.lr_drops):
        settings += [] if reached else ["train.schedule=constant"]
        settings += [f"train.lr_drops={{{', '.join(reached)}}}"]
    *first, last = settings
    return f"train for more, or set {' and '.join([', '.join(first), last] if first else [last])}"


def at_one_rate(params: TrainParams) -> TrainParams:
    """The same with `train.lr` at every step."""
    return params.model_copy(update={"schedule": "constant", "warmup": 0, "lr_drops": ()})


def factors(params: TrainParams, first: int, count: int) -> NDArray[np.float64]:
    """What `train.lr` is multiplied with at `count` steps, of which `first` come after as many as
    were taken before.

    Warm-up goes in a straight line (Goyal et al. 2017, arXiv 1706.02677): step k of it, from 1, has
    k / warmup of the rate of the schedule.

    Args:
      params: how to train; the schedule is over all its steps.
      first: steps before these.
      count: how many.

    Returns:
      Of shape (count,).

    Raises:
      TrainingError: a schedule of somebody's own gives no finite number that is at least 0.
    """
    name = params.schedule
    if name == "constant":
        values = np.ones(count)
    else:
        function = SCHEDULES.get(name).factor
        given = [
            SCHEDULES.call(name, function, step, params) for step in range(first, first + count)
        ]
        try:
            values = np.array(given, np.float64)
        except (TypeError, ValueError):
            values = np.full(count, np.nan)
        wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
        if wrong.size:
            at = int(wrong[0])
            raise TrainingError(
                f"schedule {name}: its function gives {given[at]!r} after {first + at} steps, "
                "expected a finite number that is at least 0"
            )
    if first < params.warmup:
        number = np.arange(first + 1, first + count + 1)
        values = values * np.minimum(1.0, number / params.warmup)
    return values


def rates(params: TrainParams, first: int, count: int) -> NDArray[np.float64]:
    """The learning rates themselves; see `factors`."""
    return params.lr * factors(params, first, count)
