"""From lists of parameters to folders: unique jobs, their trainings side by side, equal ones once,
finished ones kept.

Knows nothing of pruning: a job is a generator that yields trainings (see `lthctl.lottery`) and ends
in something with files. The order of jobs and their number side by side change nothing but the time
it takes.
"""

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from lthctl.artifacts.leases import Leases
from lthctl.artifacts.store import Store
from lthctl.disk import check_writable, write_folder
from lthctl.errors import LthctlError, OutputError
from lthctl.grid.jobs import Job, Work
from lthctl.training.engines import compile_for, needs_compiling, run
from lthctl.training.history import Result
from lthctl.training.spec import Training


@dataclass
class Outcome:
    """What became of jobs: the folders made now, those there already, and the failures with their
    reasons."""

    made: list[Path] = field(default_factory=list)
    present: list[Path] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    num_trained: int = 0
    num_from_store: int = 0
    seconds: float = 0.0


class Watcher:
    """Told what happens, always from the main thread but for `stepped`; this one looks away.

    `number` is that of the training within its job, from 0.
    """

    def compiling(self) -> None:
        """The engine compiles its kernels before the first training, which takes some seconds."""

    def training_started(self, job: Job, number: int, training: Training) -> None: ...
    def stepped(self, digest: str, step: int) -> None: ...
    def training_ended(self, digest: str, result: Result | None) -> None:
        """The result is None where the training failed."""

    def training_spared(
        self, job: Job, number: int, training: Training, *, from_store: bool
    ) -> None:
        """Its result was known: from the store, or because another job had needed it before."""

    def job_ended(self, job: Job) -> None: ...
    def tick(self) -> None:
        """Half a second or less has gone by."""


class Cancelled(Exception):  # noqa: N818 - an event, not an error
    """Raised inside a training that is to stop."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C: what was finished by then is kept; the message says how much that is."""


@dataclass
class _Active:
    """A job under way and the training that it waits for."""

    job: Job
    work: Work
    training: Training
    number: int  # of the training within the job


def run_jobs(
    jobs: Sequence[Job],
    *,
    store: Store,
    num_side_by_side: int,
    replace: bool = False,
    watcher: Watcher | None = None,
) -> Outcome:
    """Do jobs, each to its folder.

    Args:
      jobs: folders to make; none twice.
      store: knows finished trainings and is given new ones.
      num_side_by_side: trainings that run at the same time, at least 1.
      replace: put folders in the place of others that hold something else.
      watcher: is told what happens.

    Returns:
      What became of them. A job that fails does not stop the others.

    Raises:
      OutputError: a folder holds something else, cannot be written, or the disk is full; what is
        finished is kept.
      Interrupted: by Ctrl-C; what is finished is kept.
    """
    taken = [job for job in jobs if job.found is False]
    if taken and not replace:
        raise OutputError(
            "; ".join(f"{job.place}: holds something else, or something damaged" for job in taken)
            + "; choose another --out, or give --force to replace it"
        )
    for parent in sorted({job.place.parent for job in jobs}):
        check_writable(parent)
    outcome = Outcome(present=[job.place for job in jobs if job.found])
    began = time.monotonic()
    pool = ThreadPoolExecutor(num_side_by_side, thread_name_prefix="training")
    with store.leases() as leases:
        todo = deque(job for job in jobs if not job.found)
        grid = _Grid(todo, store, leases, pool, replace, watcher or Watcher(), outcome)
        try:
            with _interrupts_noted(grid.cancel):
                grid.drive(num_side_by_side)
        except KeyboardInterrupt:
            raise Interrupted(
                f"{len(outcome.made) + len(outcome.present)} of {len(jobs)} are finished"
            ) from None
        finally:
            grid.cancel.set()
            pool.shutdown(wait=True, cancel_futures=True)
    outcome.seconds = time.monotonic() - began
    return outcome


@contextmanager
def _interrupts_noted(cancel: threading.Event) -> Iterator[None]:
    """Let Ctrl-C set an event before it does what it does: an exception that it raises while the
    compiler calls back into Python is printed there and forgotten."""
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, frame: FrameType | None) -> None:
        cancel.set()
        handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


@dataclass
class _Grid:
    """The state of `run_jobs`. Arrays are held for trainings that run, and for no job that
    waits."""

    pending: deque[Job]
    store: Store
    leases: Leases
    pool: ThreadPoolExecutor
    replace: bool
    watcher: Watcher
    outcome: Outcome
    compiled: bool = False
    cancel: threading.Event = field(default_factory=threading.Event)
    running: dict[Future[Result], _Active] = field(default_factory=dict)
    waiting: dict[str, list[Job]] = field(
        default_factory=dict
    )  # digest of a training that runs -> who else needs it
    elsewhere: dict[str, _Active] = field(
        default_factory=dict
    )  # digest of one that another process runs
    met: set[str] = field(
        default_factory=set
    )  # digests of those trained here, or taken from the store

    def drive(self, num_side_by_side: int) -> None:
        while self.pending or self.running or self.elsewhere:
            for active in list(self.elsewhere.values()):
                if len(self.running) < num_side_by_side and self.leases.take(
                    active.training.digest
                ):
                    self.leases.give_up(active.training.digest)
                    self._finish_elsewhere(active)
            while self.pending and len(self.running) < num_side_by_side:
                job = self.pending.popleft()
                self._advance(job, lambda job=job: (work := job.start(), next(work)), 0)  # type: ignore[misc]
            self.watcher.tick()
            if not self.running and self.elsewhere:
                if self.cancel.wait(0.1):  # others are at work, and we have to ask how far they are
                    raise KeyboardInterrupt
                continue
            # A short wait, so that Ctrl-C is noticed even where a lock cannot be interrupted.
            finished, _ = wait(self.running, timeout=0.5, return_when=FIRST_COMPLETED)
            if self.cancel.is_set():
                raise KeyboardInterrupt
            for future in finished:
                self._finish(future)

    def _advance(self, job: Job, step: Callable[[], tuple[Work, Training]], number: int) -> None:
        """Take a job to its next training that is not known yet, from its training `number` on, or
        to its end."""
        try:
            while True:
                work, training = step()
                digest = training.digest
                if digest in self.waiting:
                    self.waiting[digest].append(job)
                    return
                known = self.store.get(training)
                if known is None:
                    active = _Active(job, work, training, number)
                    if not self.leases.take(digest):
                        self.waiting[digest], self.elsewhere[digest] = [], active
                        return
                    known = self.store.get(training)  # by now, perhaps
                    if known is None:
                        self._start(active)
                        return
                    self.leases.give_up(digest)
                from_store = digest not in self.met
                self.met.add(digest)
                self.outcome.num_from_store += from_store
                self.watcher.training_spared(job, number, training, from_store=from_store)
                number += 1
                step = _sender(work, known)
        except StopIteration as done:
            self._write(job, done.value.files())
            self.outcome.made.append(job.place)
            self.watcher.job_ended(job)
        except OutputError:
            raise
        except LthctlError as error:
            self._fail(job, str(error))

    def _start(self, active: _Active) -> None:
        training, key = active.training, active.training.digest

        def on_step(step: int) -> None:
            if self.cancel.is_set():
                raise Cancelled
            self.watcher.stepped(key, step)

        if not self.compiled:
            # Here and not in a thread, where Ctrl-C would have to wait for it, and two would
            # compile the same.
            if needs_compiling(training):
                self.watcher.compiling()
                compile_for(training)
            self.compiled = True
        self.waiting.setdefault(key, [])
        self.watcher.training_started(active.job, active.number, training)
        self.running[self.pool.submit(run, training, on_step)] = active

    def _finish(self, future: Future[Result]) -> None:
        active = self.running.pop(future)
        digest = active.training.digest
        others = self.waiting.pop(digest)
        try:
            result = future.result()
        except Exception as error:
            self.leases.give_up(digest)
            self.watcher.training_ended(digest, None)
            reason = (
                str(error) if isinstance(error, LthctlError) else f"{type(error).__name__}: {error}"
            )
            for job in active.job, *others:
                self._fail(job, reason)
            return
        self.watcher.training_ended(digest, result)
        self.outcome.num_trained += 1
        self.met.add(digest)
        self.store.put(active.training, result)
        self.leases.give_up(digest)
        self.pending.extendleft(
            reversed(others)
        )  # from their start: what they need is in the store now
        self._advance(active.job, _sender(active.work, result), active.number + 1)

    def _finish_elsewhere(self, active: _Active) -> None:
        """Another process has ended a training, one way or the other."""
        digest = active.training.digest
        del self.elsewhere[digest]
        others = self.waiting.pop(digest)
        self._advance(active.job, lambda: (active.work, active.training), active.number)
        self.pending.extendleft(reversed(others))

    def _write(self, job: Job, files: dict[str, bytes]) -> None:
        try:
            write_folder(job.place, files, replace=self.replace)
        except OutputError:
            # Another process may have made the same meanwhile.
            if not all((job.place / name).is_file() for name in files) or any(
                (job.place / name).read_bytes() != content for name, content in files.items()
            ):
                raise

    def _fail(self, job: Job, reason: str) -> None:
        self.outcome.failed.append((job.name, reason))
        self.watcher.job_ended(job)


def _sender(work: Work, result: Result) -> Callable[[], tuple[Work, Training]]:
    return lambda: (work, work.send(result))
