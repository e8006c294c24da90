"""What executors with a pool of threads have in common."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from lthctl.artifacts.checkpoints import CheckpointStore
from lthctl.grid.executors.device_pool import DevicePool
from lthctl.training.history import Result
from lthctl.training.resources import Resources
from lthctl.training.spec import OnStep, Training


class PooledExecutor(ABC):
    """Lets a thread see to each training; see `Executor`. What the thread does is `_run`."""

    checkpoints: CheckpointStore | None = None

    def __init__(self, num_jobs: int) -> None:
        self.devices = DevicePool()
        self._pool = ThreadPoolExecutor(num_jobs, thread_name_prefix="training")
        self._cancelled = threading.Event()

    def submit(self, training: Training, on_step: OnStep) -> Future[Result]:
        return self._pool.submit(self._run_on_one, training, on_step)

    def _run_on_one(self, training: Training, on_step: OnStep) -> Result:
        with self.devices.one_for(training.params.device) as device:
            return self._run(training, on_step, device)

    def cancel(self) -> None:
        self._cancelled.set()

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    @abstractmethod
    def _run(self, training: Training, on_step: OnStep, device: str | None) -> Result:
        """Run a training to its end.

        Args:
          training, on_step: as in `submit`.
          device: which one of its kind it runs on; None where torch chooses.

        Raises:
          Cancelled: it is not wanted any more.
        """


def resources_of(
    training: Training,
    checkpoints: CheckpointStore | None,
    device: str | None,
    is_leaving: Callable[[], bool],
) -> Resources:
    """What a training may use; `is_leaving` as in `CheckpointStore.of`."""
    if checkpoints is None:
        return Resources(device=device)
    return Resources(checkpoints.of(training, device, is_leaving), device)
