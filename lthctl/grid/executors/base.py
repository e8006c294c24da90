"""What an executor is, and which there are.

An executor runs trainings and knows nothing of tasks, stores and leases. Which one runs a training
changes no byte of its result, so it is no part of any digest.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from lthctl.training.history import Result
from lthctl.training.spec import OnStep, Training


class Cancelled(Exception):  # noqa: N818 - an event, not an error
    """Ends a training that is not wanted any more."""


class Executor(Protocol):
    """Runs trainings, at most `num_jobs` at a time."""

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
        """End all trainings soon: those that run raise `Cancelled`, the others never begin."""

    def close(self) -> None:
        """Wait until all trainings have ended, and leave no thread and no process behind."""


@dataclass(frozen=True)
class ExecutorEntry:
    """A kind of executor.

    Attributes:
      home: module and class, imported when it is needed.
      summary: for people, in one line.
    """

    home: str
    summary: str

    def create(self, num_jobs: int) -> Executor:
        module, name = self.home.split(":")
        kind: Callable[[int], Executor] = getattr(import_module(module), name)
        return kind(num_jobs)


EXECUTORS: Mapping[str, ExecutorEntry] = {
    "threads": ExecutorEntry(
        "lthctl.grid.executors.threads:ThreadExecutor",
        "threads of one process: best for MLPs on a CPU, and for a GPU",
    ),
    "processes": ExecutorEntry(
        "lthctl.grid.executors.processes:ProcessExecutor",
        "a process each: for modules with dropout or much Python, which threads train one by one",
    ),
}
"""Name -> a kind of executor."""
