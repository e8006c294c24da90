"""What executors with a pool of threads have in common."""

import threading
from abc import ABC, abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor

from lthctl.artifacts.checkpoints import CheckpointStore
from lthctl.training.history import Result
from lthctl.training.resources import Resources
from lthctl.training.spec import OnStep, Training


class PooledExecutor(ABC):
    """Lets a thread see to each training; see `Executor`. What the thread does is `_run`."""

    checkpoints: CheckpointStore | None = None

    def __init__(self, num_jobs: int) -> None:
        self._pool = ThreadPoolExecutor(num_jobs, thread_name_prefix="training")
        self._cancelled = threading.Event()

    def submit(self, training: Training, on_step: OnStep) -> Future[Result]:
        return self._pool.submit(self._run, training, on_step)

    def cancel(self) -> None:
        self._cancelled.set()

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    @abstractmethod
    def _run(self, training: Training, on_step: OnStep) -> Result:
        """Run a training to its end.

        Raises:
          Cancelled: it is not wanted any more.
        """


def resources_of(training: Training, checkpoints: CheckpointStore | None) -> Resources:
    """What a training may use."""
    return Resources() if checkpoints is None else Resources(checkpoints.of(training))
