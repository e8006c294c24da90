"""Takes tasks from training to training, and does what the scheduler decides.

Knows nothing of pruning. A task is a generator that yields trainings (see `lthctl.lottery`) and
ends in something with files. The scheduler says what goes on, the store what is known, the leases
what others do, and an executor runs the rest.
"""

import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from functools import partial

from lthctl.artifacts.checkpoints import CheckpointStore
from lthctl.artifacts.leases import Leases
from lthctl.artifacts.store import Store
from lthctl.artifacts.ticket import Ticket
from lthctl.disk import write_folder
from lthctl.errors import LthctlError, OutputError, RunError
from lthctl.grid.executors.base import Executor
from lthctl.grid.others import ASK_SECONDS, Others
from lthctl.grid.outcome import Outcome
from lthctl.grid.scheduler import Scheduler
from lthctl.grid.tasks import Task
from lthctl.grid.under_way import Active, Step, first_training, next_training, same_training
from lthctl.grid.watcher import Watcher
from lthctl.training.engines import needs_preparing, prepare
from lthctl.training.history import Result
from lthctl.training.spec import Training

WAIT_SECONDS = 0.5  # for a training, so that Ctrl-C is seen where a lock cannot be interrupted


@dataclass
class Driver:
    """Does what the scheduler decides. Arrays are held for the task that leads a training, and for
    no task that waits."""

    scheduler: Scheduler[Task]
    store: Store
    leases: Leases
    executor: Executor
    replace: bool
    watcher: Watcher
    outcome: Outcome
    interrupted: threading.Event
    others: Others
    checkpoints: CheckpointStore | None
    look_seconds: float = 0.0
    next_look: float = 0.0
    compiled: bool = False
    running: dict[Future[Result], Active] = field(default_factory=dict)
    elsewhere: dict[str, tuple[Task, Step, int]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)  # digest -> reason

    def drive(self) -> None:
        while not self.scheduler.is_done:
            is_over = self.others.is_over()
            if is_over and not self.running:
                return
            if not is_over:
                self._look_elsewhere()
            while not self.others.is_over() and (task := self.scheduler.next_task()) is not None:
                self._take_up(task, partial(first_training, task), 0)
            self.watcher.tick()
            for future in self._wait():
                self._end(future)

    def _wait(self) -> set[Future[Result]]:
        """Trainings that have ended meanwhile.

        Raises:
          KeyboardInterrupt: Ctrl-C was pressed, whether or not its exception was lost.
        """
        ended: set[Future[Result]] = set()
        if self.running:
            ended = wait(self.running, WAIT_SECONDS, return_when=FIRST_COMPLETED).done
        elif self.scheduler.elsewhere:
            self.watcher.waiting(self.others.holders(self.leases, self.scheduler.elsewhere))
            self.interrupted.wait(ASK_SECONDS if self.look_seconds < 1 else WAIT_SECONDS)
        if self.interrupted.is_set():
            raise KeyboardInterrupt
        return ended

    def _look_elsewhere(self) -> None:
        """Go on with tasks that another process has left, or whose training it has ended.

        Where there are many others they are asked less and less often, and about a few at a time:
        hundreds of them would keep a file server busy with nothing else.
        """
        now = time.monotonic()
        if now < self.next_look or not (self.scheduler.elsewhere and self.scheduler.has_room):
            return
        for digest, (task, _, _) in [*self.elsewhere.items()]:
            if self.others.is_seen_done(task):
                self._return(digest)
                self.watcher.task_ended(task)
        longer = max(ASK_SECONDS, 2 * self.look_seconds)
        self.look_seconds = min(longer, self.others.most_seconds)
        for digest in self.scheduler.elsewhere[: self.others.most_looks]:
            if self.scheduler.has_room and self.leases.take(digest):
                self.leases.give_up(digest)
                if self._take_up(*self._return(digest)):
                    self.look_seconds = 0.0
            else:
                self.scheduler.look_later(digest)
        self.next_look = now + self.look_seconds

    def _leave(self, digest: str, task: Task, step: Step, number: int) -> None:
        """Another process has what is leased by this digest; the task waits for it."""
        self.scheduler.leave(digest)
        self.elsewhere[digest] = task, step, number

    def _return(self, digest: str) -> tuple[Task, Step, int]:
        """Who has waited for what another process had."""
        self.scheduler.retake(digest)
        return self.elsewhere.pop(digest)

    def _take_up(self, task: Task, step: Step, number: int) -> bool:
        """Take a task on, unless others have done it or are at it; whether they were not."""
        if self.others.has_done(task):
            self.watcher.task_ended(task)
            return False
        lease = self.others.lease_of(task)
        if lease is not None and not self.leases.take(lease):
            self._leave(lease, task, partial(first_training, task), 0)
            return False
        self._go_on(task, step, number)
        return True

    def _go_on(self, task: Task, step: Step, number: int) -> None:
        """Take a task on that is leased. It stays so for as long as it has a training here."""
        if not self._advance(task, step, number):
            self._let_go(task)

    def _let_go(self, task: Task) -> None:
        lease = self.others.lease_of(task)
        if lease is not None:
            self.leases.give_up(lease)

    def _advance(self, task: Task, step: Step, number: int) -> bool:
        """Take a task to its next training that is not known yet, from its training `number` on, or
        to its end; whether that training runs here now."""
        try:
            while True:
                active = Active(task, *step(), number)
                reason = self.failures.get(active.digest) or self.others.failure_of(active.digest)
                if reason is not None:
                    self._fail(task, reason)  # it would fail again
                    return False
                if self.scheduler.wait_for(active.digest, task):
                    return False
                known = self.store.get(active.training)
                if known is None:
                    if not self.leases.take(active.digest):
                        self._leave(active.digest, task, partial(same_training, active), number)
                        return False
                    known = self.store.get(active.training)  # by now, perhaps
                    if known is None and self.others.is_over():
                        self.leases.give_up(active.digest)
                        return False
                    if known is None:
                        self._start(active)
                        return True
                    self.leases.give_up(active.digest)
                from_store = self.scheduler.recall(active.digest)
                self.outcome.num_from_store += from_store
                self.watcher.training_known(task, number, active.training, from_store=from_store)
                number += 1
                step = partial(next_training, active, known)
        except StopIteration as done:
            self._write(task, done.value.files())
            self.outcome.written.append(task.place)
            if isinstance(done.value, Ticket):
                self.outcome.note_ties(done.value.method, done.value.tied)
            self.watcher.task_ended(task)
        except OutputError:
            raise
        except LthctlError as error:
            self._fail(task, str(error))
        return False

    def _start(self, active: Active) -> None:
        if not self.compiled:
            # Here and not in a worker, where Ctrl-C would have to wait for it, and two would
            # compile the same.
            if needs_preparing(active.training):
                self.watcher.compiling()
                prepare(active.training)
            self.compiled = True
        refused, step = self._look_for_checkpoint(active.training)
        self.scheduler.start(active.digest)
        self.watcher.training_started(active.task, active.number, active.training)
        if refused is not None:
            self.watcher.checkpoint_refused(refused)
        if step is not None:
            self.watcher.training_resumed(active.digest, step)
        on_step = partial(self.watcher.stepped, active.digest)
        self.running[self.executor.submit(active.training, on_step)] = active

    def _look_for_checkpoint(self, training: Training) -> tuple[str | None, int | None]:
        """Why a training cannot go on from its checkpoint, which is thrown out then; and the step
        that it goes on from.

        Raises:
          RunError: it has one that cannot be read, and would be replaced by an earlier one.
        """
        if self.checkpoints is None:
            return None, None
        try:
            checkpoint = self.checkpoints.read(training)
        except RunError as error:
            if error.unread:
                self.leases.give_up(training.digest)
                raise
            self.checkpoints.remove(training.digest)
            return str(error), None
        return None, None if checkpoint is None else checkpoint.step

    def _end(self, future: Future[Result]) -> None:
        active = self.running.pop(future)
        try:
            result = future.result()
        except Exception as error:
            self.leases.give_up(active.digest)
            self.watcher.training_ended(active.digest, None)
            is_ours = isinstance(error, LthctlError)
            reason = str(error) if is_ours else f"{type(error).__name__}: {error}"
            self.failures[active.digest] = reason
            self.others.note_failure(active.digest, active.task, reason)
            for task in active.task, *self.scheduler.fail(active.digest):
                self._fail(task, reason)
            self._let_go(active.task)
            return
        self.store.put(active.training, result)
        self.watcher.training_ended(active.digest, result)
        self.outcome.num_trained += 1
        self.leases.give_up(active.digest)
        self.scheduler.finish(active.digest)
        self._go_on(active.task, partial(next_training, active, result), active.number + 1)

    def _write(self, task: Task, files: dict[str, bytes]) -> None:
        try:
            write_folder(task.place, files, replace=self.replace)
        except OutputError:
            # Another process may have written the same meanwhile.
            if not all((task.place / name).is_file() for name in files) or any(
                (task.place / name).read_bytes() != content for name, content in files.items()
            ):
                raise

    def _fail(self, task: Task, reason: str) -> None:
        self.outcome.failed.append((task.name, reason))
        self.watcher.task_ended(task)
