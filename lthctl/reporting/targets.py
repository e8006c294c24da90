"""Steps to target of every experiment, beside those of dense and of its reinitialization."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lthctl.reporting.arrivals import Arrival, Sooner, arrival, mean_arrival, sooner
from lthctl.reporting.draws import Draws, mean_value
from lthctl.reporting.experiments import Experiment, ExperimentKey
from lthctl.reporting.verdicts import Group

SLACK = 1e-9
"""A difference of two accuracies may be off by rounding; an image is far more than this."""


@dataclass(frozen=True)
class Target:
    """An accuracy to be reached.

    Attributes:
      accuracy: a fraction; None for the best of the dense run of the same seed, less the margin.
    """

    accuracy: float | None

    @property
    def name(self) -> str:
        """As it stands in tables."""
        return "dense" if self.accuracy is None else f"{self.accuracy:g}"

    @property
    def words(self) -> str:
        if self.accuracy is None:
            return "dense's best less the margin"
        return f"{100 * self.accuracy:g} % accuracy"


@dataclass(frozen=True)
class Arrivals:
    """When the runs of an experiment reach a target.

    Attributes:
      key: the experiment.
      target: what is to be reached.
      arrivals: seed -> when its run arrives, of several draws as `mean_arrival` says. For the
        target of dense only seeds with a dense run.
      of_runs: the same for every single run, in the order of its draws.
      than_dense: how many times sooner than dense of the same seeds; None where there is none, and
        for dense itself.
      than_reinit: the same for its reinitialization; None for what is not rewound.
    """

    key: ExperimentKey
    target: Target
    arrivals: Mapping[int, Arrival]
    of_runs: Mapping[int, Sequence[Arrival]]
    than_dense: Sooner | None
    than_reinit: Sooner | None

    @property
    def num_arrived(self) -> int:
        return sum(one.step is not None for one in self.arrivals.values())

    @property
    def mean_steps(self) -> float | None:
        """Mean step of arrival; None unless all arrived, as a mean of the others says nothing."""
        steps = [one.step for one in self.arrivals.values() if one.step is not None]
        return sum(steps) / len(steps) if steps and len(steps) == len(self.arrivals) else None


def targets_of(group: Group) -> tuple[Target, ...]:
    """The targets of params.yaml in their order, then that of dense where there is one."""
    fixed = tuple(Target(accuracy) for accuracy in dict.fromkeys(group.params.targets))
    return (*fixed, Target(None)) if group.dense else fixed


def arrivals_of(group: Group, experiment: Experiment, target: Target) -> Arrivals:
    """When the runs of an experiment of a group reach a target."""
    key = experiment.key
    of_runs = _steps_of_runs(group, experiment.runs, target)
    own = _of_seeds(of_runs)
    dense = group.dense
    reinit = group.experiment(key._replace(control="reinit"))
    return Arrivals(
        key,
        target,
        own,
        of_runs,
        _sooner(group, own, dense, target) if key.method != "dense" else None,
        _sooner(group, own, reinit, target) if key.control == "rewind" else None,
    )


WORTH_SEEING = 4
"""Curves are shown for so many times the steps of the last arrival."""


def steps_worth_seeing(
    group: Group, experiments: Sequence[Experiment], target: Target
) -> int | None:
    """The step until which learning curves are shown, so that arrivals are seen apart.

    None where all of the training is shown: one never gets there, or the last arrival comes late.
    """
    steps = [arrivals_of(group, experiment, target).mean_steps for experiment in experiments]
    arrived = [step for step in steps if step is not None]
    trained = [row.step for one in experiments[:1] for row in one.histories[0]]
    if not arrived or len(arrived) < len(steps):
        return None
    until = next((step for step in trained if step >= WORTH_SEEING * max(arrived)), trained[-1])
    return until if until <= trained[-1] / 2 else None


def times_sooner(
    group: Group, experiment: Experiment, other: Experiment | None, target: Target
) -> Sooner | None:
    """How many times sooner an experiment reaches a target than another, paired by seed."""
    return _sooner(group, _steps(group, experiment.runs, target), other, target)


def _sooner(
    group: Group, own: Mapping[int, Arrival], other: Experiment | None, target: Target
) -> Sooner | None:
    if other is None:
        return None
    return sooner(
        own, _steps(group, other.runs, target), group.params.confidence, group.params.looks
    )


def _steps(group: Group, runs: Mapping[int, Draws], target: Target) -> dict[int, Arrival]:
    return _of_seeds(_steps_of_runs(group, runs, target))


def _of_seeds(of_runs: Mapping[int, Sequence[Arrival]]) -> dict[int, Arrival]:
    return {seed: mean_arrival(arrivals) for seed, arrivals in of_runs.items()}


def _steps_of_runs(
    group: Group, runs: Mapping[int, Draws], target: Target
) -> dict[int, list[Arrival]]:
    if target.accuracy is not None:
        accuracies = dict.fromkeys(runs, target.accuracy)
    else:
        dense = group.dense.runs if group.dense else {}
        accuracies = {
            seed: mean_value(draws, "best_accuracy", group.params) - group.params.margin - SLACK
            for seed, draws in dense.items()
        }
    return {
        seed: [arrival(run.history, accuracies[seed]) for run in draws]
        for seed, draws in runs.items()
        if seed in accuracies
    }
