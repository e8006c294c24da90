"""Training again: with which data, who is told, and what stops it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from lthctl.datasets.base import DataDescription, Dataset
from lthctl.errors import LthctlError, ParamsError
from lthctl.models.base import Model
from lthctl.params import TrainParams
from lthctl.training import engines
from lthctl.training.history import Result
from lthctl.training.spec import Training
from lthctl.verification.checks import Unchecked

Datasets = Callable[[DataDescription, int], Dataset]
"""What a ticket or a run says of its data, and its seed -> the dataset."""


@dataclass
class Replay:
    """Trains again.

    Attributes:
      datasets: finds a dataset.
      announce: told in a sentence what is being trained.
      cancel: when set, trainings end.
    """

    datasets: Datasets
    announce: Callable[[str], None]
    cancel: threading.Event

    def dataset(self, data: DataDescription | None, seed: int) -> Dataset:
        """The very dataset that is described."""
        if data is None:
            raise Unchecked("it does not say on which data it was trained")
        try:
            dataset = self.datasets(data, seed)
        except LthctlError as error:
            raise Unchecked(f"no dataset to train with: {error}") from error
        if dataset.describe() != data:
            raise Unchecked(
                f"other data here: digest {dataset.digest[:12]}..., trained on "
                f"{data.digest[:12]}..."
            )
        return dataset

    def params(self, train: TrainParams, model: Model) -> TrainParams:
        """How it was trained, if that can be done here."""
        try:
            return engines.resolve(train, model)
        except ParamsError as error:
            raise Unchecked(f"cannot be trained here: {error}") from error

    def train(self, training: Training, what: str) -> Result:
        """Run a training, whatever is known of it already."""

        def on_step(step: int) -> None:
            if self.cancel.is_set():
                raise KeyboardInterrupt

        self.announce(f"training {what} again, {training.end - training.first_step:,} steps")
        return engines.run(training, on_step)
