"""What a training gives: final weights, and the history of its evaluations.

The metrics of a run are computed from its history, and from nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from lthctl.canonical import Json
from lthctl.mask import Weights
from lthctl.parameter_types import Count, Fraction, not_null
from lthctl.params import Section, TrainParams


class Row(NamedTuple):
    """One evaluation of a training.

    Losses are mean cross-entropies in nats, accuracies fractions of the examples seen.
    """

    step: int  # optimizer updates so far
    train_loss: float  # mean over the batches since the row before, or since the start
    validation_loss: float
    validation_accuracy: float
    test_loss: float | None = None
    test_accuracy: float | None = None


@dataclass(frozen=True)
class Result:
    """What a training gave: final weights, pruned ones exactly 0, and the history of its
    evaluations."""

    weights: Weights
    history: tuple[Row, ...]


MetricName = Literal[
    "best_accuracy",
    "best_step",
    "early_stop_accuracy",
    "early_stop_step",
    "final_accuracy",
    "early_stop_test_accuracy",
]


class Metrics(Section):
    """The figures by which a run is judged, of its validation images but for the last.

    Of equal evaluations the earliest counts.

    Attributes:
      best_accuracy, best_step: the highest accuracy, and where it was reached.
      early_stop_accuracy, early_stop_step: where the loss is lowest, and the accuracy there.
      final_accuracy: at the last step.
      early_stop_test_accuracy: of the test images at the early-stop step, which the validation loss
        alone has chosen; None where there is no test split.
    """

    best_accuracy: Fraction
    best_step: Count
    early_stop_accuracy: Fraction
    early_stop_step: Count
    final_accuracy: Fraction
    early_stop_test_accuracy: Annotated[Fraction | None, not_null] = None

    def value(self, name: MetricName) -> float:
        """A metric by its name; steps are whole numbers.

        Raises:
          ValueError: there is no such metric of this run.
        """
        value: float | None = getattr(self, name)
        if value is None:
            raise ValueError(f"{name}: this run has none, as there is no test split")
        return value

    def to_json(self) -> Json:
        """Without what it does not have."""
        return self.model_dump(exclude_none=True)


def metrics_of(history: Sequence[Row]) -> Metrics:
    """The metrics of a run, from its history and from nothing else."""
    best = max(history, key=lambda row: row.validation_accuracy)
    stop = min(history, key=lambda row: row.validation_loss)
    return Metrics.model_construct(  # not validated: a history of one's own may hold anything
        best_accuracy=best.validation_accuracy,
        best_step=best.step,
        early_stop_accuracy=stop.validation_accuracy,
        early_stop_step=stop.step,
        final_accuracy=history[-1].validation_accuracy,
        early_stop_test_accuracy=stop.test_accuracy,
    )


def steps_evaluated(train: TrainParams, first_step: int = 0, last_step: int | None = None) -> range:
    """The steps after which a training is evaluated, but for the last, which always is.

    They are the same whatever step it begins with: the multiples of `evaluate_every`.
    """
    every = train.evaluate_every
    end = train.steps if last_step is None else last_step
    return range(first_step // every * every + every, end, every)


def history_fault(
    history: tuple[Row, ...],
    train: TrainParams,
    *,
    with_test: bool,
    first_step: int = 0,
    last_step: int | None = None,
) -> str | None:
    """What shows that a history is not that of a training with these parameters, if anything does.

    Args:
      history: the evaluations.
      train: parameters of the training.
      with_test: whether it had test images.
      first_step, last_step: as in `lthctl.training.spec.Training`.
    """
    end = train.steps if last_step is None else last_step
    between = steps_evaluated(train, first_step, end)
    if len(history) != len(between) + 1 or [row.step for row in history] != [*between, end]:
        part = f" from step {first_step}" if first_step else ""
        return f"is not of {end} steps{part}, evaluated every {train.evaluate_every}"
    if (history[0].test_loss is not None) != with_test:
        number = "some" if with_test else "none"
        return f"has {'no ' * with_test}columns for test images, of which there are {number}"
    return None
