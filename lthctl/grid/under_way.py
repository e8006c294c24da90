"""A task under way, and how it comes to its next training."""

from collections.abc import Callable
from dataclasses import dataclass

from lthctl.grid.tasks import Task, Work
from lthctl.training.history import Result
from lthctl.training.spec import Training


@dataclass
class Active:
    """A task under way and the training that it waits for."""

    task: Task
    work: Work
    training: Training
    number: int  # of the training within the task

    @property
    def digest(self) -> str:
        return self.training.digest


Step = Callable[[], tuple[Work, Training]]
"""Takes a task to its next training."""


def first_training(task: Task) -> tuple[Work, Training]:
    work = task.begin()
    return work, next(work)


def next_training(active: Active, result: Result) -> tuple[Work, Training]:
    return active.work, active.work.send(result)


def same_training(active: Active) -> tuple[Work, Training]:
    return active.work, active.training
