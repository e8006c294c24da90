"""What a training gives: final weights, and the history of its evaluations.

The metrics of a run are computed from its history, and from nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lthctl.canonical import Json
from lthctl.mask import Weights


class Row(NamedTuple):
    """One evaluation of a training.

    Losses are mean cross-entropies in nats, accuracies fractions of the examples seen.
    """

    step: int  # optimizer updates so far
    train_loss: float  # mean over the batches since the row before
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


def metrics_of(history: Sequence[Row]) -> Json:
    """The figures by which a run is judged; of equal evaluations the earliest counts.

    `best_accuracy` is the maximum validation accuracy, at `best_step`; `early_stop_step` is where
    the validation loss is lowest and `early_stop_accuracy` the validation accuracy there. Where
    there is a test split, its accuracy is read at the early-stop step, which the validation loss
    alone has chosen.
    """
    best = max(history, key=lambda row: row.validation_accuracy)
    stop = min(history, key=lambda row: row.validation_loss)
    metrics: Json = {
        "best_accuracy": best.validation_accuracy,
        "best_step": best.step,
        "early_stop_accuracy": stop.validation_accuracy,
        "early_stop_step": stop.step,
        "final_accuracy": history[-1].validation_accuracy,
    }
    if stop.test_accuracy is not None:
        metrics["early_stop_test_accuracy"] = stop.test_accuracy
    return metrics


def history_fault(history: tuple[Row, ...], train: Json, *, with_test: bool) -> str | None:
    """What shows that a history is not that of a training with these parameters, if anything does.

    Args:
      history: the evaluations.
      train: parameters of the training.
      with_test: whether it had test images.
    """
    steps, every = train["steps"], train["evaluate_every"]
    if len(history) != -(-steps // every) or [row.step for row in history] != [
        *range(every, steps, every),
        steps,
    ]:
        return f"is not of {steps} steps, evaluated every {every}"
    if (history[0].test_loss is not None) != with_test:
        number = "some" if with_test else "none"
        return f"has {'no ' * with_test}columns for test images, of which there are {number}"
    return None
