"""Where a long training is, so that it goes on from there once its process was killed.

A checkpoint holds all that the steps after it depend on, besides the specification. A training that
goes on from one gives the same bytes as one that was never cut off. So checkpoints are no part of
any digest.
"""

from dataclasses import dataclass
from typing import Protocol

from lthctl.mask import Weights
from lthctl.training.history import Row


@dataclass(frozen=True)
class Checkpoint:
    """Where a training is.

    Attributes:
      step: steps taken.
      history: the evaluations until then.
      state: name -> array, of whatever the engine needs to go on.
    """

    step: int
    history: tuple[Row, ...]
    state: Weights


class Checkpoints(Protocol):
    """Where one training keeps its checkpoint, of which there is one at a time."""

    def load(self) -> Checkpoint | None:
        """The last one that was kept; None where there is none that may be used."""

    def is_due(self) -> bool:
        """Whether it is time for another one. Asked every few steps."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep this one in the place of the last, if that can be done."""


class NoCheckpoints:
    """Keeps none; see `Checkpoints`."""

    def load(self) -> None:
        return None

    def is_due(self) -> bool:
        return False

    def save(self, checkpoint: Checkpoint) -> None:
        pass
