"""What trainings cost: seconds for a unit of work at a density, from what was measured.

Knows nothing of tasks and of what is planned. A plan asks it after a short measurement. The
progress of a grid asks it for the work of a training, in steps.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from lthctl.mask import Mask
from lthctl.training.engines import needs_preparing, prepare, relative_cost, run
from lthctl.training.schedules import at_one_rate
from lthctl.training.spec import Training

MEASURED_SECONDS = 0.15  # of steps at one density,


MEASURED_STEPS = 10_000  # or so many of them


MEASURED_DENSITIES = 6


LATEST = 0.5  # weight of all measurements before the latest at a density


class Speed:
    """Seconds for a unit of work as a function of density.

    Between densities that were measured, what is interpolated is the factor by which they differ
    from `relative_cost`; beyond them it stays what it is at the nearest. So one measurement is
    enough for a first answer everywhere.

    Args:
      engine: the name of one.
    """

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._measured: dict[float, tuple[float, float]] = {}  # density -> units and seconds

    def learn(self, density: float, units: float, seconds: float) -> None:
        """Take in a measurement; the latest ones at a density count most, as a machine's load
        changes."""
        near = float(f"{density:.2g}")
        units_before, seconds_before = self._measured.get(near, (0.0, 0.0))
        self._measured[near] = (LATEST * units_before + units, LATEST * seconds_before + seconds)

    def seconds(self, density: float) -> float:
        """For a unit of work, once something was measured."""
        densities = sorted(self._measured)
        factors = [
            seconds / units / relative_cost(self._engine, near)
            for near, (units, seconds) in ((near, self._measured[near]) for near in densities)
        ]
        return float(np.interp(density, densities, factors)) * relative_cost(self._engine, density)


def equivalent_steps(steps: int, num_evaluated: int, batch_size: int) -> float:
    """The work of a training, its evaluations included, in steps: an image evaluated costs half of
    one trained on."""
    return steps + num_evaluated / batch_size / 2


@dataclass(frozen=True)
class Speeds:
    """What `measure` found: seconds of a step, and of an evaluation, while as many run side by
    side.

    Attributes:
      densities: at which it measured, ascending.
      step, evaluation: seconds by density.
    """

    densities: tuple[float, ...]
    step: Speed
    evaluation: Speed

    def seconds(self, steps: int, evaluations: int, density: float) -> float:
        """Of a training."""
        evaluating = evaluations * self.evaluation.seconds(density)
        return steps * self.step.seconds(density) + evaluating


def measure(like: Training, densities: Sequence[float], num_jobs: int) -> Speeds:
    """Train for a moment, at a few of some densities, under masks drawn by chance; about two
    seconds in all.

    Args:
      like: model, dataset and parameters; kernels are compiled for it first where they are not.
      densities: at least one; measured are the lowest, the highest, and some between.
      num_jobs: trainings at the same time, which share caches and memory.
    """
    if needs_preparing(like):
        prepare(like)
    run(_of_steps(like, 1, 1))  # whatever is done but once in a process
    distinct = sorted({float(f"{density:.2g}") for density in densities})
    ranks = (
        np.linspace(0, len(distinct) - 1, min(len(distinct), MEASURED_DENSITIES))
        .round()
        .astype(int)
    )
    chosen = tuple(distinct[rank] for rank in dict.fromkeys(ranks.tolist()))
    speeds = Speeds(chosen, Speed(like.params.engine), Speed(like.params.engine))
    with ThreadPoolExecutor(num_jobs) as pool:
        for density in chosen:
            training = _at_density(like, density)
            for step, evaluation in pool.map(_time, [training] * num_jobs):
                speeds.step.learn(density, 1, step)
                speeds.evaluation.learn(density, 1, evaluation)
    return speeds


class _Enough(Exception):  # noqa: N818 - an event, not an error
    pass


def _time(training: Training) -> tuple[float, float]:
    """Seconds of a step and of an evaluation."""
    marks: list[tuple[int, float]] = []

    def on_step(step: int) -> None:
        marks.append((step, time.perf_counter()))
        if marks[-1][1] - marks[0][1] > MEASURED_SECONDS:
            raise _Enough

    with suppress(_Enough):
        run(_of_steps(training, MEASURED_STEPS, MEASURED_STEPS), on_step)
    (first, began), (last, ended) = marks[0], marks[-1]
    step = (ended - began) / max(1, last - first)

    def seconds(steps: int) -> float:
        began = time.perf_counter()
        run(_of_steps(training, steps, 1))
        return time.perf_counter() - began

    once = seconds(1)  # and what is done but once in a training
    return step, max(1e-9, (seconds(3) - once) / 2 - step)


def _of_steps(like: Training, steps: int, evaluate_every: int) -> Training:
    # A schedule costs nothing, and may not fit into so few steps.
    params = at_one_rate(like.params).model_copy(
        update={"steps": steps, "evaluate_every": evaluate_every}
    )
    return Training(like.model, like.start, like.mask, like.dataset, like.seed, params)


def _at_density(like: Training, density: float) -> Training:
    """A training that keeps this much of every parameter that the mask of `like` covers, by
    chance."""
    random = np.random.default_rng(0)
    mask = Mask({name: random.random(array.shape) < density for name, array in like.mask.items()})
    weights = dict(like.start)
    for name, array in mask.items():
        weights[name] = (random.random(array.shape, np.float32) - np.float32(0.5)) / np.float32(10)
    return Training(like.model, mask.apply(weights), mask, like.dataset, like.seed, like.params)
