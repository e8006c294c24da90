"""Who is told what happens to tasks and trainings."""

from collections.abc import Sequence

from lthctl.grid.tasks import Task
from lthctl.training.history import Result
from lthctl.training.spec import Training


class Watcher:
    """Is told what happens; this one looks away.

    All is told from the main thread but `stepped`. `number` is that of the training within its
    task, from 0.
    """

    def planned(self, tasks: Sequence[Task]) -> None:
        """These tasks are to be done. This is told first."""

    def compiling(self) -> None:
        """The engine compiles its kernels before the first training, which takes some seconds."""

    def training_started(self, task: Task, number: int, training: Training) -> None: ...
    def training_resumed(self, digest: str, step: int) -> None:
        """The training that has just started goes on from this step, where it was cut off."""

    def checkpoint_refused(self, reason: str) -> None:
        """The training that has just started begins anew, as its checkpoint cannot be used."""

    def stepped(self, digest: str, step: int) -> None: ...
    def training_ended(self, digest: str, result: Result | None) -> None:
        """The result is None where the training failed."""

    def training_known(
        self, task: Task, number: int, training: Training, *, from_store: bool
    ) -> None:
        """Its result was known: from the store, or because another task had needed it before."""

    def waiting(self, processes: list[int | None]) -> None:
        """Nothing runs here: other processes run what is needed, one for each of these trainings.

        Their numbers are None where they are not known. Told ten times a second.
        """

    def task_ended(self, task: Task) -> None: ...
    def reporting(self) -> None:
        """All tasks have ended, and the report is being written."""

    def tick(self) -> None:
        """Half a second or less has gone by."""
