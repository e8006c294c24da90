"""What an executor is, and which there are.

An executor runs trainings and knows nothing of tasks, stores and leases. Which one runs a training
changes no byte of its result, so it is no part of any digest.
"""

from concurrent.futures import Future
from typing import Protocol

from lthctl import families
from lthctl.artifacts.checkpoints import CheckpointStore
from lthctl.families import Family
from lthctl.grid.executors.device_pool import DevicePool
from lthctl.training.history import Result
from lthctl.training.spec import OnStep, Training


class Cancelled(Exception):  # noqa: N818 - an event, not an error
    """Ends a training that is not wanted any more."""


class Executor(Protocol):
    """Runs trainings, at most `num_jobs` at a time.

    Attributes:
      words: what it is, for help.
      checkpoints: where trainings keep how far they are; None where they do not. It is set before
        the first training. An executor that passes it over trains from the start.
      devices: those that trainings are spread over; set before the first training, too.
    """

    words: str
    checkpoints: CheckpointStore | None
    devices: DevicePool

    def __init__(self, num_jobs: int) -> None: ...

    def submit(self, training: Training, on_step: OnStep) -> Future[Result]:
        """Run a training when there is room for it.

        Args:
          training: its specification.
          on_step: called with the number of steps done, now and then, from any thread.

        Returns:
          Its result, or the error that ended it.
        """

    def cancel(self) -> None:
        """End all trainings soon: those that run raise `Cancelled`, the others never begin. An
        engine with checkpoints keeps one before."""

    def close(self) -> None:
        """Wait until all trainings have ended, and leave no thread and no process behind."""


EXECUTORS: Family[type[Executor]] = families.EXECUTORS


def as_executor(name: str, given: object) -> type[Executor]:
    """A member of the family from what a person brought.

    Raises:
      TypeError: it is no class with the methods of an executor.
    """
    methods = ("submit", "cancel", "close")
    if isinstance(given, type) and all(callable(getattr(given, key, None)) for key in methods):
        return given
    raise TypeError("a class with the methods submit, cancel and close, made with a number of jobs")
