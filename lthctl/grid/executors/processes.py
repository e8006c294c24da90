"""Trainings in processes of their own, each with its own interpreter and torch generator.

A thread here looks after each worker process. It sends a training, hands on the steps that the
worker reports, and takes the result. A worker that dies is replaced, and its training is run once
more.
"""

import os
import pickle
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context, resource_tracker
from multiprocessing.context import SpawnProcess

from lthctl.artifacts.checkpoints import CheckpointStore
from lthctl.errors import TrainingError
from lthctl.families import trusted
from lthctl.grid.executors.base import Cancelled
from lthctl.grid.executors.pooled import PooledExecutor
from lthctl.grid.executors.worker import LEAVE, Answer, Failure, serve
from lthctl.training.history import Result
from lthctl.training.spec import OnStep, Training

POLL_SECONDS = 0.1  # between two looks whether all is cancelled
END_SECONDS = 5.0  # that a worker has to end by itself
LEAVE_SECONDS = 20.0  # that it has to keep a checkpoint, where that is wanted
ATTEMPTS = 2  # at a training whose worker dies


class ProcessExecutor(PooledExecutor):
    """Runs every training in a process beside this one; see `Executor`."""

    words = "a process each, best for modules with dropout or with much Python"

    def __init__(self, num_jobs: int) -> None:
        super().__init__(num_jobs)
        self._idle: dict[str | None, list[_Worker]] = defaultdict(list)

    def close(self) -> None:
        super().close()
        for workers in self._idle.values():
            while workers:
                workers.pop().end()

    def _run(self, training: Training, on_step: OnStep, device: str | None) -> Result:
        pickled = _pickled(training, self.checkpoints, device)
        deaths: list[str] = []
        while len(deaths) < ATTEMPTS:
            if self._cancelled.is_set():
                raise Cancelled
            worker = self._take_worker(device)
            try:
                answer = self._converse(worker, pickled, on_step)
            except (EOFError, OSError):
                deaths.append(worker.end())
                continue
            except BaseException:
                worker.kill()
                raise
            self._idle[device].append(worker)
            if isinstance(answer, Failure):
                raise answer.kind(answer.message)
            return answer
        raise TrainingError(
            f"its worker process {deaths[0]}, and a second one {deaths[1]}; perhaps there is too "
            "little memory: try fewer --jobs"
        )

    def _take_worker(self, device: str | None) -> "_Worker":
        """One that has used no other device: each would hold memory of a GPU."""
        try:
            # Not looked at first: another thread may take the last one.
            return self._idle[device].pop()
        except IndexError:
            return _Worker()

    def _converse(self, worker: "_Worker", pickled: bytes, on_step: OnStep) -> Result | Failure:
        """Send a training and wait for its end.

        Raises:
          EOFError, OSError: the worker has died.
        """
        worker.connection.send_bytes(pickled)
        while not self._cancelled.is_set():
            if worker.connection.poll(POLL_SECONDS):
                answer: Answer = worker.connection.recv()
                if not isinstance(answer, int):
                    return answer
                on_step(answer)
        if self.checkpoints is not None:
            worker.leave(LEAVE_SECONDS)
        raise Cancelled


class _Worker:
    """A process that runs trainings, and our end of the connection to it."""

    _starting = threading.Lock()  # multiprocessing keeps a list of all processes

    def __init__(self) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process: SpawnProcess = context.Process(
            target=serve, args=(theirs, trusted()), daemon=True
        )
        with self._starting, _safe_path():
            resource_tracker.ensure_running()  # lets Ctrl-C in when it starts, so it starts first
            # In this thread, and so in the worker from its birth: Ctrl-C, and the warning of a
            # cluster, are the main thread's. Both are sent to all processes at once.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGUSR2})
            self._process.start()
        theirs.close()

    def leave(self, seconds: float) -> None:
        """Let a training end as soon as it has kept a checkpoint, within so many seconds."""
        deadline = time.monotonic() + seconds
        with suppress(EOFError, OSError):
            self.connection.send_bytes(LEAVE)
            while self.connection.poll(max(0.0, deadline - time.monotonic())):
                if not isinstance(self.connection.recv(), int):
                    return

    def end(self) -> str:
        """Close the connection and wait for the process to end; how it did."""
        self.connection.close()
        self._process.join(END_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        code = self._process.exitcode
        self._process.close()
        if code is not None and code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    def kill(self) -> None:
        """End the process at once, whatever it does."""
        self._process.kill()
        self.end()


@contextmanager
def _safe_path() -> Iterator[None]:
    """Python processes that begin meanwhile look for no module in the working folder, not even for
    those that they begin with. A worker is then told where we look."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before


def _pickled(training: Training, checkpoints: CheckpointStore | None, device: str | None) -> bytes:
    try:
        return pickle.dumps((training, checkpoints, device))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TrainingError(
            f"its model or dataset cannot go to another process ({error}); define it at the top "
            "level of a module, or use --executor threads"
        ) from error
