"""Trainings in threads of this process. Compiled kernels and torch let go of the interpreter."""

from lthctl.grid.executors.base import Cancelled
from lthctl.grid.executors.pooled import PooledExecutor, resources_of
from lthctl.training.engines import run
from lthctl.training.history import Result
from lthctl.training.spec import OnStep, Training


class ThreadExecutor(PooledExecutor):
    """Runs every training in a thread of this process; see `Executor`."""

    words = "threads of one process, best for MLPs on a CPU and for a GPU"

    def _run(self, training: Training, on_step: OnStep, device: str | None) -> Result:
        def check(step: int) -> None:
            if self._cancelled.is_set():
                raise Cancelled
            on_step(step)

        is_leaving = self._cancelled.is_set
        return run(training, check, resources_of(training, self.checkpoints, device, is_leaving))
