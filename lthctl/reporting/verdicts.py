"""Groups of comparable experiments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lthctl.artifacts.run import Run
from lthctl.errors import ReportError
from lthctl.params import ReportParams
from lthctl.reporting.experiments import (
    DENSE,
    Experiment,
    ExperimentKey,
    interval_over,
    num_at_end,
    paired,
)
from lthctl.reporting.making import USUAL, Places
from lthctl.reporting.power import seeds_to_decide
from lthctl.reporting.statistics import Interval, judge
from lthctl.training.history import MetricName


@dataclass(frozen=True)
class Group:
    """Runs that may be compared: same data, model, training and prunable parameters.

    Attributes:
      title: what they have in common.
      params: how they are judged.
      experiments: in order.
      places: where their folders are.
      differs: what sets them apart from the other groups of a report; empty where there is one.
    """

    title: str
    params: ReportParams
    experiments: tuple[Experiment, ...]
    places: Places = USUAL
    differs: str = ""

    @cached_property
    def dense(self) -> Experiment | None:
        return self.experiment(DENSE)

    def experiment(self, key: ExperimentKey) -> Experiment | None:
        return self._by_key.get(key)

    @cached_property
    def _by_key(self) -> dict[ExperimentKey, Experiment]:
        return {experiment.key: experiment for experiment in self.experiments}

    @property
    def num_runs(self) -> int:
        return sum(len(experiment.runs) for experiment in self.experiments)

    @property
    def num_seeds(self) -> int:
        return len({seed for experiment in self.experiments for seed in experiment.runs})

    @cached_property
    def is_too_short(self) -> bool:
        """Whether most dense runs still improve at their last evaluation: then nobody knows how
        good dense would have become, and to be as good as that is no win."""
        return self.dense is not None and is_too_short(self.dense.runs)


def judged_group(
    title: str, runs: Sequence[Run], params: ReportParams, places: Places = USUAL, differs: str = ""
) -> Group:
    members: dict[ExperimentKey, dict[int, Run]] = {}
    for run in runs:
        key = ExperimentKey.of(run)
        seed = run.ticket.seed
        if seed in members.setdefault(key, {}):
            raise ReportError(
                f"there are two different runs of {key.label}, seed {seed} ({title}); report on "
                "each folder by itself"
            )
        members[key][seed] = run
    dense = members.get(DENSE, {})
    experiments = (
        _experiment(key, dict(sorted(members[key].items())), dense, params)
        for key in sorted(members, key=ExperimentKey.order)
    )
    return Group(title, params, tuple(experiments), places, differs)


def is_too_short(runs: Mapping[int, Run]) -> bool:
    """Whether more than half of some runs still improve at their last evaluation."""
    return 2 * num_at_end(runs) > len(runs)


def _experiment(
    key: ExperimentKey, runs: dict[int, Run], dense: dict[int, Run], params: ReportParams
) -> Experiment:
    is_dense = key.method == DENSE.method
    difference = None if is_dense else paired(runs, dense, "best_accuracy", params)

    def over_seeds(metric: MetricName) -> Interval:
        return interval_over(list(runs.values()), metric, params)

    margin, confidence = params.margin, params.confidence
    shown = judge(difference, margin=margin, confidence=confidence, looks=params.looks)
    if difference is not None and is_too_short(dense):
        shown = "too short to tell"
    seeds = None
    if shown == "unknown":
        seeds = seeds_to_decide(difference, margin=margin, confidence=confidence)
    has_test = all(run.metrics.early_stop_test_accuracy is not None for run in runs.values())
    return Experiment(
        key=key,
        runs=runs,
        sparsity=sum(run.ticket.sparsity for run in runs.values()) / len(runs),
        accuracy=over_seeds("best_accuracy"),
        difference=difference,
        verdict=None if is_dense else shown,
        seeds_to_decide=seeds,
        early_stop_step=over_seeds("early_stop_step"),
        early_stop_accuracy=over_seeds("early_stop_accuracy"),
        test_accuracy=over_seeds("early_stop_test_accuracy") if has_test else None,
    )
