"""Groups of comparable experiments, and the verdicts on their tickets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from lthctl.artifacts.run import Run
from lthctl.errors import ReportError
from lthctl.params import ReportParams
from lthctl.reporting.experiments import DENSE, Experiment, ExperimentKey, interval_over, paired
from lthctl.reporting.statistics import (
    Interval,
    Verdict,
    holm,
    judge,
    p_above,
    p_nonzero,
    seeds_to_decide,
    seeds_to_show,
)
from lthctl.training.history import MetricName

State = Literal["held", "failed", "undecided", "unknown"]


@dataclass(frozen=True)
class TicketVerdict:
    """Whether a rewound ticket is a winning one: four conditions, and the figures behind them.

    Random pruning is no condition, but what any method has to be measured against: it is judged
    beside them.

    Attributes:
      key: the rewound experiment.
      accurate: not inferior to dense in accuracy.
      fast: not later than dense in early-stop step, within one evaluation interval.
      sparse: fewer weights than dense.
      special: its reinitialization does worse.
      step_difference, reinit_difference: ticket minus dense in early-stop step; ticket minus reinit
        in accuracy. None where unknown.
      random_difference, random_verdict: accuracy minus that of random pruning of the same ratio and
        rounds, rewound too, and what it shows. None where there is no such ticket, and for random
        pruning itself.
      seeds_to_decide: "accurate", "fast", "special" or "random" -> number of seeds that would
        decide what is undecided there; see `lthctl.statistics`. Without those of which there is no
        telling.
    """

    key: ExperimentKey
    accurate: State
    fast: State
    sparse: State
    special: State
    step_difference: Interval | None
    reinit_difference: Interval | None
    random_difference: Interval | None
    random_verdict: Verdict | None
    seeds_to_decide: Mapping[str, int]

    @property
    def state(self) -> State:
        """Held if all four are, failed if one has failed."""
        states = (self.accurate, self.fast, self.sparse, self.special)
        for state in ("failed", "unknown", "undecided"):
            if state in states:
                return state
        return "held"


@dataclass(frozen=True)
class Group:
    """Runs that may be compared: same data, model, training and prunable parameters."""

    title: str
    params: ReportParams
    experiments: tuple[Experiment, ...]

    @cached_property
    def dense(self) -> Experiment | None:
        return self.experiment(DENSE)

    def experiment(self, key: ExperimentKey) -> Experiment | None:
        return self._by_key.get(key)

    def experiment_of(self, verdict: TicketVerdict) -> Experiment:
        """The experiment that a verdict of this group is about.

        Raises:
          ReportError: it is of another group.
        """
        experiment = self.experiment(verdict.key)
        if experiment is None:
            raise ReportError(f"{verdict.key.label}: there is no such experiment in {self.title}")
        return experiment

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
    def verdicts(self) -> tuple[TicketVerdict, ...]:
        """One per pruned, rewound experiment; each condition adjusted by Holm over all of them."""
        experiments = [
            experiment
            for experiment in self.experiments
            if experiment.key.control == "rewind" and experiment.key.method != "dense"
        ]
        resolution = float(next(iter(self.experiments[0].runs.values())).train.evaluate_every)
        steps = [
            self._paired(experiment, self.dense, "early_stop_step") for experiment in experiments
        ]
        reinits = [
            self._paired(
                experiment,
                self.experiment(experiment.key._replace(control="reinit")),
                "best_accuracy",
            )
            for experiment in experiments
        ]
        randoms = [
            None
            if experiment.key.method == "random"
            else self._paired(
                experiment,
                self.experiment(experiment.key._replace(method="random")),
                "best_accuracy",
            )
            for experiment in experiments
        ]
        margin, confidence = self.params.margin, self.params.confidence
        alpha = 1 - confidence
        fast = _states(
            steps,
            [p_above(_negate(d), -resolution) if d else 1.0 for d in steps],
            [p_above(d, resolution) if d else 1.0 for d in steps],
            alpha,
        )
        special = _states(
            reinits,
            [p_nonzero(d) if d and d.mean > 0 else 1.0 for d in reinits],
            [p_above(_negate(d), -margin) if d else 1.0 for d in reinits],
            alpha,
        )
        judged = [difference for difference in randoms if difference is not None]
        verdicts = iter(judge(judged, margin=margin, confidence=confidence))
        random = [None if difference is None else next(verdicts) for difference in randoms]
        accurate: dict[Verdict | None, State] = {
            "better": "held",
            "as good": "held",
            "worse": "failed",
            "undecided": "undecided",
            None: "unknown",
        }

        def needed(i: int) -> dict[str, int]:
            """Seeds that would decide what is undecided; the strictest of Holm's levels is
            assumed."""
            level, numbers = alpha / len(experiments), {"accurate": experiments[i].seeds_to_decide}
            step, reinit, chance = steps[i], reinits[i], randoms[i]
            if step and fast[i] == "undecided":
                numbers["fast"] = seeds_to_show(
                    step, [(resolution - step.mean, level), (step.mean - resolution, level)]
                )
            if reinit and special[i] == "undecided":
                numbers["special"] = seeds_to_show(
                    reinit, [(reinit.mean, level / 2), (margin - reinit.mean, level)]
                )
            if chance and random[i] == "undecided":
                numbers["random"] = seeds_to_decide(
                    chance, margin=margin, confidence=confidence, num_experiments=len(judged)
                )
            return {name: number for name, number in numbers.items() if number}

        return tuple(
            TicketVerdict(
                experiment.key,
                accurate[experiment.verdict],
                fast[i],
                "held" if experiment.sparsity > 0 else "failed",
                special[i],
                steps[i],
                reinits[i],
                randoms[i],
                random[i],
                needed(i),
            )
            for i, experiment in enumerate(experiments)
        )

    def _paired(
        self, experiment: Experiment, other: Experiment | None, metric: MetricName
    ) -> Interval | None:
        return paired(experiment.runs, other.runs if other else {}, metric, self.params)


def judged_group(title: str, runs: Sequence[Run], params: ReportParams) -> Group:
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
    keys = sorted(members, key=ExperimentKey.order)
    dense = members.get(DENSE, {})
    differences = {
        key: paired(members[key], dense, "best_accuracy", params)
        for key in keys
        if key.method != "dense"
    }
    judged = {key: difference for key, difference in differences.items() if difference is not None}
    verdicts = dict(
        zip(
            judged,
            judge(list(judged.values()), margin=params.margin, confidence=params.confidence),
            strict=True,
        )
    )

    def experiment(key: ExperimentKey) -> Experiment:
        replicates = dict(sorted(members[key].items()))

        def over_seeds(metric: MetricName) -> Interval:
            return interval_over(list(replicates.values()), metric, params)

        undecided = verdicts.get(key) == "undecided"
        return Experiment(
            key=key,
            runs=replicates,
            sparsity=sum(run.ticket.sparsity for run in replicates.values()) / len(replicates),
            accuracy=over_seeds("best_accuracy"),
            difference=differences.get(key),
            verdict=verdicts.get(key),
            seeds_to_decide=seeds_to_decide(
                judged[key],
                margin=params.margin,
                confidence=params.confidence,
                num_experiments=len(judged),
            )
            if undecided
            else None,
            early_stop_step=over_seeds("early_stop_step"),
            early_stop_accuracy=over_seeds("early_stop_accuracy"),
            test_accuracy=over_seeds("early_stop_test_accuracy")
            if all(run.metrics.early_stop_test_accuracy is not None for run in replicates.values())
            else None,
        )

    return Group(title, params, tuple(experiment(key) for key in keys))


def _negate(value: Interval) -> Interval:
    return Interval(value.n, -value.mean, None, None, value.deviation)


def _states(
    differences: Sequence[Interval | None],
    p_held: Sequence[float],
    p_failed: Sequence[float],
    alpha: float,
) -> list[State]:
    held, failed = holm(p_held), holm(p_failed)
    return [
        "unknown"
        if difference is None
        else "held"
        if held[i] < alpha
        else "failed"
        if failed[i] < alpha
        else "undecided"
        for i, difference in enumerate(differences)
    ]
