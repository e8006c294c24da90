"""Experiments: runs that differ in seed only, aggregated over their seeds."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lthctl.artifacts.names import ticket_name
from lthctl.artifacts.pruning import layer_rate_in, ratio_after
from lthctl.artifacts.run import Run
from lthctl.artifacts.run_document import TicketSummary
from lthctl.lottery.rates import rate_per_round
from lthctl.params import ReportParams
from lthctl.reporting.draws import Draws, mean_history, mean_value
from lthctl.reporting.selection import Quantity, num_images
from lthctl.reporting.statistics import Interval, Verdict, interval
from lthctl.reporting.styles import control_order, method_order
from lthctl.training.history import Row


class ExperimentKey(NamedTuple):
    """What the runs of an experiment have in common; they differ in seed.

    Attributes:
      control, method, rounds, ratio: of the ticket and its retraining.
      pruned_with: how the trainings between the rounds differ from the retraining, such as
        "steps 3000"; empty where they do not.
      per_round: the fraction that every round removes; None where it follows from the ratio.
      variant: what else of the pruning is not as usual, such as "global"; empty where all is.
    """

    control: str
    method: str
    rounds: int
    ratio: float
    pruned_with: str = ""
    per_round: float | None = None
    variant: str = ""

    @classmethod
    def of(cls, run: Run) -> "ExperimentKey":
        ticket = run.ticket
        return cls(
            run.control,
            ticket.method,
            ticket.rounds,
            ticket.ratio,
            _pruned_with(run),
            ticket.per_round,
            "-".join(ticket.variant),
        )

    @property
    def walk(self) -> str:
        """How a ladder with this experiment goes down, such as "5 rounds" or "20 % a round"."""
        return walk_words(self.rounds, self.per_round, self.variant)

    @property
    def ticket(self) -> str:
        """Name of the tickets, without their seeds."""
        words = self.variant.split("-") if self.variant else ()
        name = ticket_name(
            self.method, self.ratio, self.rounds, per_round=self.per_round, variant=words
        )
        return f"{name} ({self.pruned_with})" if self.pruned_with else name

    @property
    def label(self) -> str:
        return f"{self.ticket}-{self.control}"

    def order(self) -> tuple[object, ...]:
        """Sorts dense before all methods, and rewind before its controls."""
        return (
            method_order(self.method),
            self.per_round or 0.0,
            self.variant,
            0 if self.per_round else self.rounds,
            natural_order(self.pruned_with),
            self.ratio,
            control_order(self.control),
        )


def walk_words(rounds: int, per_round: float | None, variant: str) -> str:
    """How a ladder goes down: in so many rounds for every size, or by a fraction every round."""
    if per_round is not None:
        words = f"{100 * per_round:g} % a round"
    elif rounds == 0:
        return "dense"
    else:
        words = "one-shot" if rounds == 1 else f"{rounds} rounds"
    others = [_variant_words(word) for word in variant.split("-") if word]
    return ", ".join([words, *others])


def _variant_words(word: str) -> str:
    """A word of a ticket's name for people."""
    if step := re.fullmatch(r"w(\d+)", word):
        return f"rewound to step {int(step[1]):,}"
    if (of_layer := layer_rate_in(word)) is not None:
        return f"{of_layer[0]} {100 * of_layer[1]:g} %"
    if word.startswith("not."):
        return f"not {word.removeprefix('not.').replace('_', '*')}"
    return word


def _pruned_with(run: Run) -> str:
    train = run.ticket.train
    if train is None:  # its method needs no training
        return ""
    values = train.model_dump()
    return ", ".join(
        f"{name} {value}" for name, value in values.items() if value != getattr(run.train, name)
    )


def natural_order(text: str) -> tuple[tuple[bool, float, str], ...]:
    """Sorts texts by the numbers in them: "steps 300" before "steps 1000".

    Example:
      >>> sorted(["lr 0.1", "lr 1", "lr 0.02"], key=natural_order)
      ['lr 0.02', 'lr 0.1', 'lr 1']
    """
    parts = re.split(r"(\d[\d,]*(?:\.\d+)?(?:e-?\d+)?)", text)
    return tuple(
        (True, float(part.replace(",", "")), "") if i % 2 else (False, 0.0, part)
        for i, part in enumerate(parts)
    )


DENSE = ExperimentKey("rewind", "dense", 0, 0.0)

RANDOM = "random"
"""The method that any other is measured against."""


VALUE_ROUNDING, DIFFERENCE_ROUNDING = 1 / math.sqrt(12), 1 / math.sqrt(6)
"""Standard deviations that rounding to steps of 1 gives to a value, and to the difference of
two."""


@dataclass(frozen=True)
class Experiment:
    """The replicates of one experiment.

    Attributes:
      key: what they have in common.
      runs: seed -> its run; several where there are several draws of the control. They are
        averaged within their seed.
      sparsity: mean actual sparsity.
      accuracy: what `lthctl.reporting.selection` reads of the runs.
      difference: the same minus that of the dense run of the same seed; None for dense itself or
        where no dense run goes with any.
      verdict: what the difference shows by itself, not adjusted for the number of experiments;
        None for dense.
      seeds_to_decide: see `lthctl.reporting.power`; None where it is known or there is no telling.
      early_stop_step: step of minimum validation loss.
      early_stop_accuracy: validation accuracy there.
      test_accuracy: test accuracy there; None where the protocol has no test images.
    """

    key: ExperimentKey
    runs: dict[int, Draws]
    sparsity: float
    accuracy: Interval
    difference: Interval | None
    verdict: Verdict | None
    seeds_to_decide: int | None
    early_stop_step: Interval
    early_stop_accuracy: Interval
    test_accuracy: Interval | None

    @property
    def all_runs(self) -> list[tuple[int, Run]]:
        """Every run with its seed."""
        return [(seed, run) for seed, draws in self.runs.items() for run in draws]

    @property
    def first_run(self) -> Run:
        """One of them, for what all have in common."""
        return self.all_runs[0][1]

    @property
    def tickets(self) -> dict[int, TicketSummary]:
        """Seed -> its ticket."""
        return {seed: draws[0].ticket for seed, draws in self.runs.items()}

    @property
    def histories(self) -> list[tuple[Row, ...]]:
        """The evaluations of every seed."""
        return [mean_history(draws) for draws in self.runs.values()]

    @property
    def stops_at_end(self) -> int:
        """Number of runs whose validation loss was lowest at the last evaluation: too short to tell
        where it would have been."""
        return num_at_end(self.runs)


def num_at_end(runs: Mapping[int, Draws]) -> int:
    """Number of runs whose validation loss was lowest at the last evaluation."""
    return sum(
        run.metrics.early_stop_step == run.history[-1].step
        for draws in runs.values()
        for run in draws
    )


def paired(
    runs: Mapping[int, Draws], others: Mapping[int, Draws], quantity: Quantity, params: ReportParams
) -> Interval | None:
    """Difference of a quantity over the seeds that both have; None where they have none in common.

    Args:
      runs, others: seed -> its draws. The difference is that of `runs` minus that of `others`.
      quantity: what is compared.
      params: confidence of the interval, and which step is read.
    """
    seeds = sorted(runs.keys() & others.keys())
    if not seeds:
        return None
    differences = [
        mean_value(runs[seed], quantity, params) - mean_value(others[seed], quantity, params)
        for seed in seeds
    ]
    least = DIFFERENCE_ROUNDING * _resolution(runs[seeds[0]][0], quantity)
    return interval(differences, params.confidence, least_deviation=least, looks=params.looks)


def interval_over(runs: Sequence[Draws], quantity: Quantity, params: ReportParams) -> Interval:
    """A quantity over seeds, of which each has its draws."""
    least = VALUE_ROUNDING * _resolution(runs[0][0], quantity)
    return interval(
        [mean_value(draws, quantity, params) for draws in runs],
        params.confidence,
        least_deviation=least,
    )


def _resolution(run: Run, quantity: Quantity) -> float:
    """The steps in which a quantity comes: evaluations for steps, images for accuracies."""
    if quantity.endswith("step"):
        return float(run.train.evaluate_every)
    return 1 / num_images(run, quantity)


def desired_by_round(key: ExperimentKey) -> list[float]:
    """The sparsity that was asked for after every round."""
    if key.method == "dense":
        return []
    rate = key.per_round
    if rate is None or key.ratio != ratio_after(rate, key.rounds):  # rates differ between layers
        rate = rate_per_round(key.ratio, key.rounds)
    return [1 - (1 - rate) ** number for number in range(1, key.rounds + 1)]
