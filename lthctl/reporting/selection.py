"""At which step a run is read: the one that its validation images choose, and no other.

Where there are test images, the accuracy of a run is theirs at that step. So a test accuracy is
read once a run, and chooses nothing.
"""

from typing import Literal

from lthctl.artifacts.run import Run
from lthctl.parameter_types import Select
from lthctl.training.history import MetricName, Row

Quantity = MetricName | Literal["accuracy"]
"""What is compared of runs: one of their metrics, or the accuracy that they are judged by."""


def chosen(run: Run, select: Select) -> Row:
    """The evaluation that a run is read at; of equal ones the earliest."""
    if select == "min-loss":
        return min(run.history, key=lambda row: row.validation_loss)
    return max(run.history, key=lambda row: row.validation_accuracy)


def value_of(run: Run, quantity: Quantity, select: Select) -> float:
    """A metric of a run, or the accuracy that it is judged by: that of its test images at the
    chosen step, or of its validation images where it has no others."""
    if quantity != "accuracy":
        return run.metrics.value(quantity)
    if run.history[0].test_accuracy is None:  # the metrics have it
        metrics = run.metrics
        return metrics.early_stop_accuracy if select == "min-loss" else metrics.best_accuracy
    row = chosen(run, select)
    return row.validation_accuracy if row.test_accuracy is None else row.test_accuracy


def num_images(run: Run, quantity: Quantity) -> int:
    """How many images an accuracy is of."""
    is_of_test = quantity == "early_stop_test_accuracy" or (
        quantity == "accuracy" and run.history[0].test_accuracy is not None
    )
    return run.data.test if is_of_test else run.data.validation


USUAL_ACCURACY = "maximum validation accuracy"

STEP_WORDS: dict[Select, str] = {
    "max-accuracy": "at the step of maximum validation accuracy",
    "min-loss": "at the step of minimum validation loss",
}


def capital(text: str) -> str:
    """A text as the start of a sentence."""
    return text[:1].upper() + text[1:]


def accuracy_words(select: Select, *, has_test: bool) -> str:
    """What the accuracy of a run is."""
    if has_test:
        return f"test accuracy {STEP_WORDS[select]}"
    if select == "max-accuracy":
        return USUAL_ACCURACY
    return f"validation accuracy {STEP_WORDS[select]}"
