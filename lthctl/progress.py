"""Progress of many trainings on a terminal: how far, what is running, how long it will take."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from lthctl.grid import Watcher


@dataclass
class _Line:
    """What the display knows of a running training."""

    label: str
    num_steps: int
    step: int = 0


class TrainingProgress(Watcher):
    """Progress of many trainings: a bar over all steps with the time left, and what is running.

    On a terminal it is one live display on stderr; elsewhere nothing is drawn.

    Args:
      console: for stderr.
      verb: what is being done, such as "pruning".
      num_jobs: folders to be made.
      num_steps: steps of all their trainings at the most.
      enabled: whether to draw at all.
    """

    def __init__(self, console: Console, *, verb: str, num_jobs: int, num_steps: int, enabled: bool) -> None:
        self._enabled = enabled
        self._running: dict[str, _Line] = {}
        self._done_steps = 0
        self._trained_steps = 0
        self._started = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _Live(lambda: _clock(self.seconds_left()), Column(no_wrap=True, min_width=10)),
            _Live(self.running, Column(no_wrap=True, overflow="ellipsis", ratio=1), style="dim"),
            console=console,
            disable=not enabled or not console.is_terminal,
            transient=True,
            refresh_per_second=4,
            expand=True,
        )
        self._num_steps = max(1, num_steps)
        self._task: TaskID = self._progress.add_task(verb, total=num_jobs)

    def __enter__(self) -> "TrainingProgress":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def compiling(self) -> None:
        if self._enabled:
            self._progress.console.print("compiling the sparse engine's kernels, once: some ten seconds", style="dim")

    def training_started(self, key: str, label: str, num_steps: int) -> None:
        self._running[key] = _Line(label, num_steps)

    def stepped(self, key: str, step: int) -> None:
        if line := self._running.get(key):
            line.step = step

    def training_ended(self, key: str) -> None:
        line = self._running.pop(key)
        self._done_steps += line.num_steps
        self._trained_steps += line.step

    def steps_spared(self, num_steps: int) -> None:
        self._done_steps += num_steps

    def job_ended(self, name: str) -> None:
        self._progress.advance(self._task)

    def seconds_left(self) -> float | None:
        """Seconds until all is done at the rate so far; None before there is a rate."""
        under_way = sum(line.step for line in list(self._running.values()))
        trained = self._trained_steps + under_way
        elapsed = time.monotonic() - self._started
        if not trained or elapsed < 2:
            return None
        return max(0.0, self._num_steps - self._done_steps - under_way) * elapsed / trained

    def running(self) -> str:
        """What is being trained and how far it is."""
        return ", ".join(f"{line.label} {100 * line.step // line.num_steps} %" for line in list(self._running.values()))


class _Live(ProgressColumn):
    """A column whose text is asked for whenever it is drawn."""

    def __init__(self, text: Callable[[], str], column: Column, style: str = "") -> None:
        super().__init__(column)
        self._text, self._style = text, style

    def render(self, task: Task) -> Text:
        return Text(self._text(), style=self._style)


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "--:-- left"
    hours, minutes = divmod(int(seconds) // 60, 60)
    return f"{hours}:{minutes:02d}:{int(seconds) % 60:02d} left" if hours else f"{minutes}:{int(seconds) % 60:02d} left"
