"""Progress on a clock that is told the time: what is drawn, printed, counted and expected."""

import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from lthctl.cli import bars
from lthctl.cli import progress as progress_module
from lthctl.cli.progress import TrainingProgress
from lthctl.grid.tasks import PlannedTraining, Task
from lthctl.params import TrainParams
from lthctl.training.history import Result, Row
from lthctl.training.spec import Training

from .test_display import text_of

MakeTraining = Callable[..., Training]


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress_module.time, "monotonic", clock)
    return clock


def task_of(
    name: str, *steps: int, density: float = 1.0, shared: bool = False, num_images: int = 0
) -> Task:
    """A task with a training of so many steps each; the first one may be every other task's first
    one, too."""
    planned = [
        PlannedTraining(
            ("shared",) if shared and not number else (name, number),
            TrainParams(
                steps=count, evaluate_every=10, batch_size=60, engine="sparse", device="cpu"
            ),
            density,
            num_images,
        )
        for number, count in enumerate(steps)
    ]
    return Task(name, Path(name), lambda: (_ for _ in ()), tuple(planned))


def progress_of(
    tasks: Sequence[Task], *, terminal: bool = True, enabled: bool = True, verbose: bool = False
) -> TrainingProgress:
    console = Console(file=io.StringIO(), width=120, force_terminal=terminal, color_system=None)
    progress = TrainingProgress(console, verb="pruning", enabled=enabled, verbose=verbose)
    progress.planned(tasks)
    return progress


def printed(progress: TrainingProgress) -> list[str]:
    return progress._progress.console.file.getvalue().splitlines()


def drawn(progress: TrainingProgress, width: int = 120) -> list[str]:
    text = text_of(progress._progress.get_renderable(), width)
    return [" ".join(re.sub("[━╸╺]", " ", line).split()) for line in text.splitlines()]


def work(progress: TrainingProgress) -> tuple[float, float]:
    """Work done, and all of it."""
    progress.tick()
    return progress._all.completed, progress._all.total


def run_for(
    progress: TrainingProgress, clock: Clock, seconds: int, **rates: tuple[Training, int]
) -> None:
    """Let trainings run at so many steps a second."""
    for second in range(1, seconds + 1):
        clock.seconds += 1
        for training, rate in rates.values():
            progress.stepped(training.digest, rate * second)
        progress.tick()


A_RESULT = Result({}, (Row(10, 0.5, 0.4, 0.91), Row(20, 0.4, 0.5, 0.93), Row(30, 0.3, 0.6, 0.92)))


def test_what_is_drawn(clock: Clock, make_training: MakeTraining) -> None:
    """A line for all, and one for each that runs: at 5 and 10 steps a second."""
    tasks = [task_of("l1-r0.80-n5-s1", 500, 500), task_of("[bold]x", 500), task_of("dense-s1")]
    progress = progress_of(tasks)
    assert drawn(progress) == ["pruning 0% --:-- 0/3"]
    a, b = make_training(steps=500), make_training(steps=500, seed=2)
    progress.training_known(tasks[0], 0, a, from_store=True)
    progress.training_started(tasks[0], 1, a)
    progress.training_started(tasks[1], 0, b)
    progress.task_ended(tasks[2])
    progress.tick()
    run_for(progress, clock, 10, a=(a, 5), b=(b, 10))
    assert drawn(progress) == [
        "pruning 15% 00:57 1/3, 15 steps/s, 1 from store",
        "l1-r0.80-n5-s1 2/2 10% 01:30",
        "[bold]x 20% 00:40",
    ]
    progress.training_ended(a.digest, A_RESULT)
    assert [line.split()[0] for line in drawn(progress)] == ["pruning", "[bold]x"]


def test_a_training_weighs_what_it_costs(clock: Clock, make_training: MakeTraining) -> None:
    """A sparse step costs a tenth of a dense one, and evaluations cost something."""
    dense, sparse = task_of("dense", 1000), task_of("sparse", 1000, density=0.02)
    evaluated = task_of("evaluated", 1000, num_images=60)
    progress = progress_of([dense, sparse, evaluated])
    assert work(progress) == (0, pytest.approx(1000 + 147 + 1000 + 100 / 2))
    training = make_training(steps=1000)
    progress.training_started(evaluated, 0, training)
    progress.stepped(training.digest, 500)
    assert work(progress)[0] == pytest.approx(1050 / 2)
    progress.training_ended(training.digest, A_RESULT)
    assert work(progress) == (pytest.approx(1050), pytest.approx(2197))


def test_equal_trainings_are_waited_for_once(clock: Clock, make_training: MakeTraining) -> None:
    tasks = [task_of(str(number), 100, 100, shared=True) for number in range(3)]
    progress = progress_of(tasks)
    assert work(progress) == (0, 400)
    training = make_training(steps=100)
    progress.training_started(tasks[0], 0, training)
    progress.training_ended(training.digest, A_RESULT)
    for task in tasks[1:]:
        progress.training_known(task, 0, training, from_store=False)
    assert work(progress) == (100, 400)


def test_one_that_was_taken_for_equal_and_is_not_is_more_work(
    clock: Clock, make_training: MakeTraining
) -> None:
    tasks = [task_of(str(number), 100, shared=True) for number in range(2)]
    progress = progress_of(tasks)
    progress.training_started(tasks[0], 0, make_training(steps=100))
    progress.training_started(tasks[1], 0, make_training(steps=100, seed=2))
    assert work(progress) == (0, 200)


def test_what_the_store_knows_is_no_work_and_says_nothing_of_the_speed(
    clock: Clock, make_training: MakeTraining
) -> None:
    tasks = [task_of(str(number), 100) for number in range(5)]
    progress = progress_of(tasks)
    training = make_training(steps=100)
    progress.training_started(tasks[0], 0, training)
    progress.tick()
    run_for(progress, clock, 5, one=(training, 10))
    for task in tasks[2:]:
        progress.training_known(task, 0, training, from_store=True)
        progress.task_ended(task)
    assert work(progress) == (50, 200)
    assert drawn(progress)[0] == "pruning 25% 00:15 3/5, 10 steps/s, 3 from store"


def test_trainings_that_a_failed_task_did_not_come_to_are_not_waited_for(
    clock: Clock, make_training: MakeTraining
) -> None:
    tasks = [task_of("a", 100, 100, 100), task_of("b", 100)]
    progress = progress_of(tasks)
    training = make_training(steps=100)
    progress.training_started(tasks[0], 0, training)
    progress.stepped(training.digest, 50)
    progress.training_ended(training.digest, None)
    progress.task_ended(tasks[0])
    assert work(progress) == (0, 100)
    assert drawn(progress)[0].endswith("1/2")


def test_steps_of_an_ended_training_come_too_late(
    clock: Clock, make_training: MakeTraining
) -> None:
    """`stepped` is called from other threads, the last time perhaps after the end."""
    tasks = [task_of("a", 50)]
    progress = progress_of(tasks)
    training = make_training(steps=50)
    progress.training_started(tasks[0], 0, training)
    running = progress._running[training.digest]
    progress.training_ended(training.digest, A_RESULT)
    progress.stepped(training.digest, 50)
    progress._running[training.digest] = running  # as that thread still sees it
    progress.stepped(training.digest, 50)


def test_a_training_that_begins_again_counts_again(
    clock: Clock, make_training: MakeTraining
) -> None:
    """Its worker has died."""
    tasks = [task_of("a", 100)]
    progress = progress_of(tasks)
    training = make_training(steps=100)
    progress.training_started(tasks[0], 0, training)
    for step in 80, 10:
        progress.stepped(training.digest, step)
        assert work(progress) == (step, 100)


def test_the_rate_is_of_the_last_half_minute(clock: Clock, make_training: MakeTraining) -> None:
    tasks = [task_of("a", 10_000)]
    progress = progress_of(tasks)
    training = make_training(steps=10_000)
    progress.training_started(tasks[0], 0, training)
    step = 0
    for rate in [1] * 60 + [10] * 31:
        progress.tick()
        clock.seconds += 1
        step += rate
        progress.stepped(training.digest, step)
    progress.tick()
    assert drawn(progress)[0].endswith("0/1, 10 steps/s")


def test_time_left_has_hours_where_there_are_any() -> None:
    assert [bars.clock(seconds) for seconds in (0, 59.7, 61, 3599, 3960.2)] == [
        "0:00", "1:00", "1:01", "59:59", "1:06:00",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [60, 80])
def test_on_a_narrow_terminal_every_line_fits(
    clock: Clock, make_training: MakeTraining, width: int
) -> None:
    tasks = [task_of(f"random-r0.97-n5-s{number}", 50) for number in range(8)]
    progress = progress_of(tasks)
    for number, task in enumerate(tasks):
        progress.training_started(task, 0, make_training(steps=50, seed=number))
    lines = text_of(progress._progress.get_renderable(), width).splitlines()
    assert len(lines) == 9 and all(len(line) <= width for line in lines)
    assert drawn(progress, width)[0] == "pruning 0% --:-- 0/8"
    assert drawn(progress, width)[1] == "random-r0.97-n5-s0 0% --:--"


def test_elsewhere_than_on_a_terminal_a_plain_line_now_and_then(
    clock: Clock, make_training: MakeTraining
) -> None:
    tasks = [task_of("l1-s1", 3000), task_of("l1-s2", 3000)]
    training = make_training(steps=3000)
    with progress_of(tasks, terminal=False) as progress:
        progress.training_started(tasks[0], 0, training)
        run_for(progress, clock, 70, one=(training, 10))
    assert printed(progress) == [
        "pruning: 0/2, 10 steps/s, 9:30 left; l1-s1 10 %",
        "pruning: 0/2, 10 steps/s, 9:00 left; l1-s1 20 %",
    ]


def test_a_line_for_every_training_where_it_is_asked_for(
    clock: Clock, make_training: MakeTraining
) -> None:
    tasks = [task_of("l1-s1", 30, 30, shared=True), task_of("[b]l1-s2", 30, 30, shared=True)]
    training = make_training()
    with progress_of(tasks, terminal=False, verbose=True) as progress:
        progress.training_started(tasks[0], 0, training)
        clock.seconds += 1.26
        progress.training_ended(training.digest, A_RESULT)
        progress.training_known(tasks[1], 0, training, from_store=False)
        progress.training_known(tasks[1], 1, training, from_store=True)
    assert printed(progress) == [
        "l1-s1 1/2: density 1.000, 30 steps, best accuracy 93.00 %, 1.3 s",
        "[b]l1-s2 1/2: density 1.000, equal to one before",
        "[b]l1-s2 2/2: density 1.000, from the store",
    ]


@pytest.mark.parametrize("terminal", [False, True])
def test_nothing_at_all_where_it_is_not_asked_for(
    clock: Clock, make_training: MakeTraining, terminal: bool
) -> None:
    tasks = [task_of("a", 50)]
    with progress_of(tasks, terminal=terminal, enabled=False, verbose=True) as progress:
        progress.compiling()
        training = make_training(steps=50)
        progress.training_started(tasks[0], 0, training)
        clock.seconds += 100
        progress.tick()
        progress.training_ended(training.digest, A_RESULT)
        progress.task_ended(tasks[0])
    assert printed(progress) == []


def test_it_is_drawn_on_a_terminal(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    tasks = [task_of("a", 50)]
    with progress_of(tasks) as progress:
        progress.task_ended(tasks[0])
    assert "pruning" in "".join(printed(progress))
