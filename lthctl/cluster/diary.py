"""What a worker tells: in its heartbeat, in its log, and for good in a table of what it trained."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from lthctl.artifacts.trained_where import COLUMNS
from lthctl.canonical import digest_of_arrays
from lthctl.cluster.status import RunningTraining, WorkerStatus
from lthctl.grid.outcome import Outcome
from lthctl.grid.tasks import PlannedTraining, Task
from lthctl.grid.watcher import Watcher
from lthctl.training.history import Result
from lthctl.training.spec import Training


class Diary(Watcher):
    """Watches the tasks of a worker.

    The table is no part of any result: a training has the same bytes wherever it was done, or so it
    should be. It says where, should that ever be in doubt.

    Args:
      status: what is known of the worker at its start.
      table: a CSV file of its own.
      say: told in a sentence what happens.
    """

    def __init__(self, status: WorkerStatus, table: Path, say: Callable[[str], None]) -> None:
        self._first, self._table, self._say = status, table, say
        self._lock = threading.Lock()
        self._running: dict[str, tuple[RunningTraining, int, float]] = {}
        self._num_trained = self._num_from_store = self._num_written = 0
        self._open: TextIO | None = None
        self._work = 0.0
        self._failed: tuple[tuple[str, str], ...] = ()
        self._tied: dict[str, dict[str, int]] = {}
        self.machine, self.state, self.failure = "", "starting", ""
        self.on_trained: Callable[[float], None] = lambda _: None

    def to_bytes(self) -> bytes:
        """What the heartbeat shows."""
        with self._lock:
            return replace(
                self._first,
                machine=self.machine,
                state=self.state,
                failure=self.failure,
                running=tuple(one for one, _, _ in self._running.values()),
                num_trained=self._num_trained,
                num_from_store=self._num_from_store,
                num_written=self._num_written,
                work_trained=self._work,
                failed=self._failed,
                tied=self._tied,
            ).to_bytes()

    def fail(self, reason: str) -> None:
        """The worker ends, for this reason."""
        self.state, self.failure = "failed", reason

    def finish(self, outcome: Outcome, *, is_over: bool) -> None:
        """The worker ends."""
        self._tied, self._failed = outcome.tied, tuple(outcome.failed)
        self._num_written = len(outcome.written)
        self.state = "out of time" if is_over else "finished"

    def close(self) -> None:
        """Nothing more comes into the table."""
        if self._open is not None:
            self._open.close()

    def training_started(self, task: Task, number: int, training: Training) -> None:
        count = max(len(task.trainings), number + 1)
        name = f"{task.name} {number + 1}/{count}" if count > 1 else task.name
        one = RunningTraining(name, 0, training.end - training.first_step, _work(training))
        with self._lock:
            self._running[training.digest] = one, training.first_step, time.monotonic()
        self._say(f"{name}: {one.steps:,} steps")

    def training_resumed(self, digest: str, step: int) -> None:
        self.stepped(digest, step)
        with self._lock:
            one, _, _ = self._running[digest]
        self._say(f"{one.name}: goes on from step {step:,}, where it was cut off")

    def checkpoint_refused(self, reason: str) -> None:
        self._say(reason)

    def stepped(self, digest: str, step: int) -> None:
        with self._lock:
            if digest in self._running:
                one, first, began = self._running[digest]
                self._running[digest] = replace(one, step=step - first), first, began

    def training_ended(self, digest: str, result: Result | None) -> None:
        with self._lock:
            one, _, began = self._running.pop(digest)
        seconds = time.monotonic() - began
        if result is None:
            self._say(f"{one.name}: failed")
            return
        self._num_trained += 1
        self._work += one.work
        self.on_trained(seconds)
        weights = digest_of_arrays(result.weights)
        row = digest, one.name, f"{seconds:.1f}", weights, self._first.host, self.machine
        self._note(",".join(row) + "\n")
        self._say(f"{one.name}: done in {seconds:.1f} s")

    def training_known(
        self, task: Task, number: int, training: Training, *, from_store: bool
    ) -> None:
        self._num_from_store += from_store

    def compiling(self) -> None:
        self._say("compiling the sparse engine's kernels, once: some twenty seconds")

    def _note(self, line: str) -> None:
        with suppress(OSError):  # a full disk ends no training for the sake of this
            if self._open is None:
                self._table.parent.mkdir(exist_ok=True)
                self._open = self._table.open("a", buffering=1)
                line = ",".join(COLUMNS) + "\n" + line
            self._open.write(line)


def _work(training: Training) -> float:
    """About what it costs, in dense steps."""
    params, num_images = training.params, training.dataset.num_evaluated
    steps = training.first_step, training.last_step
    return PlannedTraining((), params, training.mask.density, num_images, *steps).work
