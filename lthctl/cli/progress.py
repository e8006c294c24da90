"""Progress of many trainings: how far they are, what runs, how fast, and how long it will take.

Ours is what a training weighs in the bar of all; see `lthctl.cli.bars` for the rest.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from rich import progress as rich_progress
from rich.console import Console
from rich.progress import TaskID

from lthctl.cli.bars import PlainLines, bars, time_left
from lthctl.cli.terminal import plain
from lthctl.grid.tasks import PlannedTraining, Task
from lthctl.grid.watcher import Watcher
from lthctl.locks import is_stopped
from lthctl.training.history import Result
from lthctl.training.spec import Training

WAITING_SECONDS = 2.0  # for other processes, before that is said


@dataclass(frozen=True)
class _Running:
    """A training that runs, and its bar."""

    bar: rich_progress.Task
    work: float
    density: float
    first_step: int

    @property
    def work_done(self) -> float:
        return self.work * self.bar.percentage / 100

    def __str__(self) -> str:
        return f"{self.bar.description} {self.bar.percentage:.0f} %"


class TrainingProgress(Watcher):
    """Progress of many trainings: a bar of all with the time left, and one of each that runs.

    On a terminal it is one live display, elsewhere a plain line every half minute. The bar of all
    counts what trainings cost and not their steps: a sparse step costs a tenth of a dense one. What
    the store knows already is no part of it.

    Args:
      console: for stderr.
      verb: what is being done, such as "pruning".
      enabled: whether to show anything at all.
      verbose: print a line for every training, too.
    """

    def __init__(
        self,
        console: Console,
        *,
        verb: str,
        enabled: bool,
        verbose: bool = False,
    ) -> None:
        self._enabled, self._verbose = enabled, verbose
        self._num_tasks, self._tasks_done, self._from_store = 0, 0, 0
        self._waiting: dict[tuple[object, ...], PlannedTraining] = {}
        self._files: dict[str, TaskID] = {}  # that are being fetched
        self._running: dict[str, _Running] = {}  # by digest
        self._work_done = 0.0  # by trainings that have ended
        self._lines = PlainLines(console, enabled=enabled)
        self._waited, self._said = 0.0, set[str]()
        self._progress = bars(console, enabled=enabled, per_second=4)
        self._all = self._add_bar(verb, 0)

    def __enter__(self) -> "TrainingProgress":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def planned(self, tasks: Sequence[Task]) -> None:
        for number in self._files.values():
            self._progress.remove_task(number)
        self._files.clear()
        self._num_tasks = len(tasks)
        self._waiting = {planned.key: planned for task in tasks for planned in task.trainings}
        self._all.total = sum(planned.work for planned in self._waiting.values())
        self._note()

    def fetching(self, name: str, received: int, total: int) -> None:
        """What of a file is there; `total` is 0 if not known. A second try begins anew."""
        if name not in self._files:
            self._files[name] = self._add_bar(f"fetching {name}", 0).id
        self._progress.update(self._files[name], completed=received, total=total or None)

    def reporting(self) -> None:
        self._progress.update(self._all.id, description="writing the report", note="")

    def compiling(self) -> None:
        self.say("compiling the sparse engine's kernels, once: some twenty seconds")

    def training_started(self, task: Task, number: int, training: Training) -> None:
        planned = task.trainings[number]
        if self._waiting.pop(planned.key, None) is None:
            self._expect(planned.work)  # it was taken for equal to another, and is not
        first = training.first_step
        bar = self._add_bar(_title(task, number), training.end - first)
        running = _Running(bar, planned.work, training.mask.density, first)
        self._running[training.digest] = running

    def training_resumed(self, digest: str, step: int) -> None:
        running = self._running[digest]
        left = 1 - (step - running.first_step) / (running.bar.total or 1)
        self._expect(-running.work * (1 - left))
        self._progress.update(running.bar.id, total=(running.bar.total or 1) * left)
        resumed = replace(running, work=running.work * left, first_step=step)
        self._running[digest] = resumed
        self.say(f"{running.bar.description}: goes on from step {step:,}, where it was cut off")

    def checkpoint_refused(self, reason: str) -> None:
        self.say(reason)

    def stepped(self, digest: str, step: int) -> None:
        if running := self._running.get(digest):
            with suppress(KeyError):  # called from other threads, perhaps after the end
                self._progress.update(running.bar.id, completed=step - running.first_step)

    def training_ended(self, digest: str, result: Result | None) -> None:
        running = self._running.pop(digest)
        self._progress.remove_task(running.bar.id)
        if result is None:
            self._expect(-running.work)
            return
        self._work_done += running.work
        if self._verbose:
            best = max(row.validation_accuracy for row in result.history)
            self.say(
                f"{running.bar.description}: density {running.density:.3f}, "
                f"{running.bar.total:,.0f} steps, best accuracy {100 * best:.2f} %, "
                f"{running.bar.elapsed or 0:.1f} s"
            )

    def training_known(
        self, task: Task, number: int, training: Training, *, from_store: bool
    ) -> None:
        self._forget(task.trainings[number])
        self._from_store += from_store
        if self._verbose:
            where = "from the store" if from_store else "equal to one before"
            self.say(f"{_title(task, number)}: density {training.mask.density:.3f}, {where}")

    def task_ended(self, task: Task) -> None:
        self._tasks_done += 1
        for planned in task.trainings:  # those that a task which failed did not come to
            self._forget(planned)

    def waiting(self, processes: list[int | None]) -> None:
        self._waited = self._waited or time.monotonic()
        if time.monotonic() - self._waited < WAITING_SECONDS:
            return
        known = sorted({one for one in processes if one is not None})
        stopped = [one for one in known if is_stopped(one)]
        words = f"waiting for {len(processes)} trainings that another process runs"
        if known:
            words += f" (process {', '.join(map(str, known))})"
        if stopped:
            words = (
                f"process {', '.join(map(str, stopped))} runs what is needed here and is stopped; "
                f"let it go on (fg, or kill -CONT {stopped[0]}) or end it (kill -KILL {stopped[0]})"
            )
        if words not in self._said and (self._enabled or stopped):
            self._said.add(words)
            self._progress.console.print(plain(words, style="dim"), soft_wrap=True)

    def tick(self) -> None:
        running = list(self._running.values())
        done = self._work_done + sum(one.work_done for one in running)
        self._progress.update(self._all.id, completed=done)
        self._note()
        if self._lines.is_due():
            shown = ", ".join(map(str, running))
            note, left = self._all.fields["note"], time_left(self._all)
            self.say(f"{self._all.description}: {note}, {left} left; {shown}")

    def _note(self) -> None:
        """What stands beside the bar of all: tasks done, the rate, and what the store knew."""
        rate = sum(one.bar.speed or 0 for one in list(self._running.values()))
        parts = [f"{self._tasks_done}/{self._num_tasks}"]
        parts += [f"{rate:,.0f} steps/s"] if rate else []
        parts += [f"{self._from_store} from store"] if self._from_store else []
        self._progress.update(self._all.id, note=", ".join(parts))

    def _forget(self, planned: PlannedTraining) -> None:
        """Wait for a training no more, if it was waited for."""
        if self._waiting.pop(planned.key, None) is not None:
            self._expect(-planned.work)

    def _expect(self, work: float) -> None:
        """There is so much more work to do. (`update` would forget the speed.)"""
        self._all.total = (self._all.total or 0) + work

    def _add_bar(self, title: str, total: float) -> rich_progress.Task:
        number: TaskID = self._progress.add_task(title, total=total, note="")
        return next(bar for bar in self._progress.tasks if bar.id == number)

    def say(self, text: str) -> None:
        """A line above the bars."""
        if self._enabled:
            self._progress.console.print(plain(text, style="dim"), soft_wrap=True)


def _title(task: Task, number: int) -> str:
    """A training's task, and its round where the task has several."""
    num_rounds = len(task.trainings)
    return f"{task.name} {number + 1}/{num_rounds}" if num_rounds > 1 else task.name
