"""Steps to target of every experiment, beside those of dense and of its reinitialization."""

from collections.abc import Mapping
from dataclasses import dataclass

from lthctl.artifacts.run import Run
from lthctl.reporting.arrivals import Arrival, Sooner, arrival, sooner
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
      arrivals: seed -> when its run arrives. For the target of dense only seeds with a dense run.
      than_dense: how many times sooner than dense of the same seeds; None where there is none, and
        for dense itself.
      than_reinit: the same for its reinitialization; None for what is not rewound.
    """

    key: ExperimentKey
    target: Target
    arrivals: Mapping[int, Arrival]
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
    own = _steps(group, experiment.runs, target)
    dense = group.dense
    reinit = group.experiment(key._replace(control="reinit"))
    return Arrivals(
        key,
        target,
        own,
        _sooner(group, own, dense, target) if key.method != "dense" else None,
        _sooner(group, own, reinit, target) if key.control == "rewind" else None,
    )


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


def _steps(group: Group, runs: Mapping[int, Run], target: Target) -> dict[int, Arrival]:
    if target.accuracy is not None:
        return {seed: arrival(run.history, target.accuracy) for seed, run in runs.items()}
    dense = group.dense.runs if group.dense else {}
    return {
        seed: arrival(run.history, dense[seed].metrics.best_accuracy - group.params.margin - SLACK)
        for seed, run in runs.items()
        if seed in dense
    }
