"""Progress of many trainings: how far, what is running, how fast, how long it will take."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn
from rich.progress import Task as Bar
from rich.table import Column
from rich.text import Text

from lthctl.cli.terminal import plain
from lthctl.grid.cost import Speed, equivalent_steps
from lthctl.grid.tasks import PlannedTraining, Task
from lthctl.grid.watcher import Watcher
from lthctl.params import TrainParams
from lthctl.training.engines import relative_cost
from lthctl.training.history import Result
from lthctl.training.spec import Training

PLAIN_SECONDS = 30.0  # between two lines where nothing can be drawn


RATE_SECONDS = 30.0  # over which the rate is taken


FIRST_SECONDS = 2.0  # before which there is no rate to speak of


@dataclass
class _Line:
    """What the display knows of a running training."""

    task: Task
    number: int
    training: Training
    began: float
    density: float
    step: int = 0

    def __str__(self) -> str:
        return f"{_task_words(self.task, self.number)} {100 * self.step // self.steps} %"

    @property
    def steps(self) -> int:
        return self.params.steps

    @property
    def params(self) -> TrainParams:
        return self.training.params

    @property
    def done(self) -> float:
        """The fraction of its steps."""
        return self.step / self.steps

    @property
    def later(self) -> tuple[PlannedTraining, ...]:
        """The trainings of the task after this one."""
        return self.task.trainings[self.number + 1 :]


class TrainingProgress(Watcher):
    """Progress of many trainings: a bar with the time left, and what is running.

    On a terminal it is one live display on stderr, elsewhere a plain line now and then. The bar and
    the time left count
    what a training costs, evaluations included: a sparse step takes a tenth of a dense one. What it
    costs is learned from the trainings so far; before that, `speed.relative_cost` knows.

    Args:
      console: for stderr.
      verb: what is being done, such as "pruning".
      tasks: those to be done.
      num_jobs: trainings at the same time.
      enabled: whether to tell anything at all.
      verbose: tell every training that is finished, too.
    """

    def __init__(
        self,
        console: Console,
        *,
        verb: str,
        tasks: Sequence[Task],
        num_jobs: int,
        enabled: bool,
        verbose: bool = False,
    ) -> None:
        self._enabled, self._verbose = enabled, verbose
        self._verb, self._num_tasks, self._num_jobs = verb, len(tasks), num_jobs
        self._waiting = {training.key: training for task in tasks for training in task.trainings}
        self._alike = Counter(
            (training.density, training.params) for training in self._waiting.values()
        )
        self._running: dict[str, _Line] = {}
        self._example: Training | None = None
        self._speed = Speed("torch")
        self._tasks_done = self._from_store = self._steps_trained = 0
        self._work_done = 0.0  # in dense steps
        self._last_line = time.monotonic()
        self._recent: deque[tuple[float, int]] = deque()  # times and steps trained until then
        self._progress = _Display(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            _Live(self._counts, Column(no_wrap=True)),
            _Live(self._time_left, Column(no_wrap=True, min_width=10)),
            console=console,
            disable=not enabled or not console.is_terminal,
            transient=True,
            refresh_per_second=4,
            expand=True,
        )
        self._progress.below = self.running
        self._task: TaskID = self._progress.add_task(verb, total=1.0)

    def __enter__(self) -> "TrainingProgress":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def compiling(self) -> None:
        self._say("compiling the sparse engine's kernels, once: some twenty seconds")

    def training_started(self, task: Task, number: int, training: Training) -> None:
        self._meet(training)
        self._forget(task.trainings[number])
        self._running[training.digest] = _Line(
            task, number, training, time.monotonic(), training.mask.density
        )

    def stepped(self, digest: str, step: int) -> None:
        if line := self._running.get(digest):
            line.step = step

    def training_ended(self, digest: str, result: Result | None) -> None:
        line = self._running.pop(digest)
        seconds = time.monotonic() - line.began
        if result is None:
            self._steps_trained += line.step
            return
        self._speed.learn(line.density, self._equivalent(line.params), seconds)
        self._steps_trained += line.steps
        self._work_done += self._work(line.density, line.params)
        if self._verbose:
            best = max(row.validation_accuracy for row in result.history)
            state = (
                f"density {line.density:.3f}, {line.steps:,} steps, "
                f"best accuracy {100 * best:.2f} %, {seconds:.1f} s"
            )
            self._say(f"{_task_words(line.task, line.number)}: {state}")

    def training_known(
        self, task: Task, number: int, training: Training, *, from_store: bool
    ) -> None:
        self._meet(training)
        if self._forget(task.trainings[number]):
            self._work_done += self._work(training.mask.density, training.params)
        if from_store:
            self._from_store += 1
        if self._verbose:
            where = "from the store" if from_store else "equal to one before"
            self._say(f"{_task_words(task, number)}: density {training.mask.density:.3f}, {where}")

    def task_ended(self, task: Task) -> None:
        self._tasks_done += 1
        for training in task.trainings:  # those that a task which failed did not come to
            self._forget(training)

    def tick(self) -> None:
        now = time.monotonic()
        self._recent.append((now, self._steps()))
        while now - self._recent[0][0] > RATE_SECONDS:
            self._recent.popleft()
        self._progress.update(self._task, completed=self.fraction_done())
        if (
            self._enabled
            and not self._progress.console.is_terminal
            and now - self._last_line >= PLAIN_SECONDS
        ):
            self._last_line = now
            self._say(f"{self._verb}: {self._counts()}, {self._time_left()}; {self.running()}")

    def seconds_left(self) -> float | None:
        """Seconds until all is done: as the work divides, but never less than the longest task
        under way. None before there is a rate."""
        now = time.monotonic()
        running = list(self._running.values())
        speed = self._speed.copy()
        for line in running:
            if line.step and now - line.began >= FIRST_SECONDS:
                speed.learn(
                    line.density, line.done * self._equivalent(line.params), now - line.began
                )
        if not speed:
            return None

        def seconds(density: float, params: TrainParams) -> float:
            return speed.seconds(density) * self._equivalent(params)

        total = sum(count * seconds(*alike) for alike, count in list(self._alike.items()))
        longest = 0.0
        for line in running:
            rest = (1 - line.done) * seconds(line.density, line.params)
            total += rest
            longest = max(
                longest, rest + sum(seconds(later.density, later.params) for later in line.later)
            )
        return max(longest, total / self._num_jobs)

    def fraction_done(self) -> float:
        """Of the work, in [0, 1]."""
        running = list(self._running.values())
        done, left = self._work_done, 0.0
        for line in running:
            work = self._work(line.density, line.params)
            done, left = done + line.done * work, left + (1 - line.done) * work
        left += sum(count * self._work(*alike) for alike, count in self._alike.items())
        return done / (done + left) if done else 0.0

    def steps_per_second(self) -> float | None:
        """Over the last half minute, all trainings together; None before there is a rate."""
        (then, before), (now, steps) = (
            (self._recent[0], self._recent[-1]) if self._recent else ((0.0, 0), (0.0, 0))
        )
        return (steps - before) / (now - then) if now - then >= FIRST_SECONDS else None

    def running(self) -> str:
        """What is being trained and how far it is."""
        return ", ".join(map(str, list(self._running.values())))

    def _meet(self, training: Training) -> None:
        """All trainings of a grid have the engine, and are evaluated on as many images, as any of
        them."""
        if self._example is None:
            self._example, self._speed = training, Speed(training.params.engine)

    def _forget(self, expected: PlannedTraining) -> bool:
        """Wait for a training no more; whether it was waited for."""
        if self._waiting.pop(expected.key, None) is None:
            return False
        self._alike[expected.density, expected.params] -= 1
        return True

    def _equivalent(self, params: TrainParams) -> float:
        assert self._example is not None
        dataset = self._example.dataset
        num_images = len(dataset.validation) + (len(dataset.test) if dataset.test else 0)
        return equivalent_steps(params, num_images)

    def _work(self, density: float, params: TrainParams) -> float:
        """In dense steps, as far as it is known before anything is measured."""
        if self._example is None:
            return 0.0
        return relative_cost(params.engine, density) * self._equivalent(params)

    def _steps(self) -> int:
        return self._steps_trained + sum(line.step for line in list(self._running.values()))

    def _counts(self) -> str:
        rate = self.steps_per_second()
        parts = [f"{self._tasks_done}/{self._num_tasks}"]
        parts += [f"{rate:,.0f} steps/s"] if rate is not None else []
        parts += [f"{self._from_store} from store"] if self._from_store else []
        return ", ".join(parts)

    def _time_left(self) -> str:
        seconds = self.seconds_left()
        return f"{'--:--' if seconds is None else clock(seconds)} left"

    def _say(self, text: str) -> None:
        if self._enabled:
            self._progress.console.print(plain(text, style="dim"), soft_wrap=True)


class _Display(Progress):
    """The bar, and a line below it."""

    below: Callable[[], str] = staticmethod(str)

    def get_renderables(self) -> Iterator[RenderableType]:
        yield from super().get_renderables()
        yield Text(self.below(), style="dim", no_wrap=True, overflow="ellipsis")


class _Live(ProgressColumn):
    """A column whose text is asked for whenever it is drawn."""

    def __init__(self, text: Callable[[], str], column: Column) -> None:
        super().__init__(column)
        self._text = text

    def render(self, task: Bar) -> Text:
        return Text(self._text())


def clock(seconds: float) -> str:
    """Seconds as people read them: 1:02:03, or 2:03."""
    hours, minutes = divmod(round(seconds) // 60, 60)
    return (
        f"{hours}:{minutes:02d}:{round(seconds) % 60:02d}"
        if hours
        else f"{minutes}:{round(seconds) % 60:02d}"
    )


def _task_words(task: Task, number: int) -> str:
    """A training's task, and its round where the task has several."""
    return (
        f"{task.name} {number + 1}/{len(task.trainings)}" if len(task.trainings) > 1 else task.name
    )
