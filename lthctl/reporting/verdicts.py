"""Groups of comparable experiments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from lthctl.artifacts.connection import Connection
from lthctl.artifacts.names import variant_name
from lthctl.artifacts.run import Run
from lthctl.errors import ReportError
from lthctl.params import ReportParams
from lthctl.reporting.draws import Draws
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
from lthctl.reporting.selection import Quantity, accuracy_words
from lthctl.reporting.statistics import Interval, judge


class Joined(NamedTuple):
    """Two copies of a run of an experiment and seed that differ in the order of their batches."""

    key: ExperimentKey
    seed: int
    connection: Connection


@dataclass(frozen=True)
class Group:
    """Runs that may be compared: same data, model, training and prunable parameters.

    Attributes:
      title: what they have in common.
      params: how they are judged.
      experiments: in order.
      places: where their folders are.
      differs: what sets them apart from the other groups of a report; empty where there is one.
      joined: copies of its runs that were connected. They are no replicates.
    """

    title: str
    params: ReportParams
    experiments: tuple[Experiment, ...]
    places: Places = USUAL
    differs: str = ""
    joined: tuple[Joined, ...] = ()

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
        return sum(len(experiment.all_runs) for experiment in self.experiments)

    @property
    def num_seeds(self) -> int:
        return len({seed for experiment in self.experiments for seed in experiment.runs})

    @property
    def has_draws(self) -> bool:
        """Whether a ticket has several runs that differ in their random numbers only."""
        return any(len(draws) > 1 for one in self.experiments for draws in one.runs.values())

    @property
    def accuracy_words(self) -> str:
        """What the accuracy of its runs is."""
        has_test = self.experiments[0].first_run.data.test > 0
        return accuracy_words(self.params.select, has_test=has_test)

    @cached_property
    def is_too_short(self) -> bool:
        """Whether most dense runs still improve at their last evaluation: then nobody knows how
        good dense would have become, and to be as good as that is no win."""
        return self.dense is not None and is_too_short(self.dense.runs)


def judged_group(
    title: str, runs: Sequence[Run], params: ReportParams, places: Places = USUAL, differs: str = ""
) -> Group:
    found: dict[ExperimentKey, dict[tuple[int, int], Run]] = {}
    for run in runs:
        key = ExperimentKey.of(run)
        seed, draw = run.ticket.seed, run.draw
        if (seed, draw) in found.setdefault(key, {}):
            raise ReportError(
                f"there are two different runs of {variant_name(key.label, draw=draw)}, seed "
                f"{seed} ({title}); report on each folder by itself"
            )
        found[key][seed, draw] = run
    members = {key: by_seed(of_key) for key, of_key in found.items()}
    dense = members.get(DENSE, {})
    experiments = (
        _experiment(key, members[key], dense, params)
        for key in sorted(members, key=ExperimentKey.order)
    )
    return Group(title, params, tuple(experiments), places, differs)


def by_seed(runs: Mapping[tuple[int, int], Run]) -> dict[int, Draws]:
    """Seed -> its draws, both in order, from (seed, draw) -> run."""
    draws: dict[int, Draws] = {}
    for seed, draw in sorted(runs):
        draws[seed] = (*draws.get(seed, ()), runs[seed, draw])
    return draws


def is_too_short(runs: Mapping[int, Draws]) -> bool:
    """Whether more than half of some runs still improve at their last evaluation."""
    return 2 * num_at_end(runs) > sum(map(len, runs.values()))


def _experiment(
    key: ExperimentKey, runs: dict[int, Draws], dense: dict[int, Draws], params: ReportParams
) -> Experiment:
    is_dense = key.method == DENSE.method
    difference = None if is_dense else paired(runs, dense, "accuracy", params)

    def over_seeds(quantity: Quantity) -> Interval:
        return interval_over(list(runs.values()), quantity, params)

    margin, confidence = params.margin, params.confidence
    shown = judge(difference, margin=margin, confidence=confidence, looks=params.looks)
    if difference is not None and is_too_short(dense):
        shown = "too short to tell"
    seeds = None
    if shown == "unknown":
        seeds = seeds_to_decide(difference, margin=margin, confidence=confidence)
    has_test = all(
        run.metrics.early_stop_test_accuracy is not None for draws in runs.values() for run in draws
    )
    return Experiment(
        key=key,
        runs=runs,
        sparsity=sum(draws[0].ticket.sparsity for draws in runs.values()) / len(runs),
        accuracy=over_seeds("accuracy"),
        difference=difference,
        verdict=None if is_dense else shown,
        seeds_to_decide=seeds,
        early_stop_step=over_seeds("early_stop_step"),
        early_stop_accuracy=over_seeds("early_stop_accuracy"),
        test_accuracy=over_seeds("early_stop_test_accuracy") if has_test else None,
    )
