"""Trainings in threads of this process. Compiled kernels and torch let go of the interpreter."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

from lthctl.grid.executors.base import Cancelled
from lthctl.training.engines import run
from lthctl.training.history import Result
from lthctl.training.spec import OnStep, Training


class ThreadExecutor:
    """Runs every training in a thread of this process; see `Executor`."""

    words = "threads of one process, best for MLPs on a CPU and for a GPU"

    def __init__(self, num_jobs: int) -> None:
        self._pool = ThreadPoolExecutor(num_jobs, thread_name_prefix="training")
        self._cancelled = threading.Event()

    def submit(self, training: Training, on_step: OnStep) -> Future[Result]:
        return self._pool.submit(self._run, training, on_step)

    def cancel(self) -> None:
        self._cancelled.set()

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, training: Training, on_step: OnStep) -> Result:
        def check(step: int) -> None:
            if self._cancelled.is_set():
                raise Cancelled
            on_step(step)

        return run(training, check)
