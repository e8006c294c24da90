"""The arithmetic of progress on a clock that is told the time, and what is drawn or printed
where."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from lthctl.cli import progress as progress_module
from lthctl.cli.progress import TrainingProgress
from lthctl.grid.tasks import PlannedTraining, Task
from lthctl.mask import Mask
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
    name: str, *steps: int, density: float = 1.0, shared: bool = False, every: int = 10
) -> Task:
    """A task with a training of so many steps each; the first one may be every other task's first
    one, too."""
    keys = [
        ("shared",) if shared and not number else (name, number) for number in range(len(steps))
    ]
    params = [
        TrainParams(steps=count, evaluate_every=every, batch_size=60, engine="sparse", device="cpu")
        for count in steps
    ]
    expected = tuple(PlannedTraining(*both, density) for both in zip(keys, params, strict=True))
    return Task(name, Path(name), lambda: (_ for _ in ()), expected)


def progress_of(
    tasks: Sequence[Task],
    *,
    side: int = 1,
    terminal: bool = True,
    enabled: bool = True,
    verbose: bool = False,
) -> TrainingProgress:
    console = Console(file=io.StringIO(), width=120, force_terminal=terminal, color_system=None)
    return TrainingProgress(
        console, verb="pruning", tasks=tasks, num_jobs=side, enabled=enabled, verbose=verbose
    )


def printed(progress: TrainingProgress) -> list[str]:
    return progress._progress.console.file.getvalue().splitlines()


def drawn(progress: TrainingProgress, width: int = 120) -> list[str]:
    return text_of(progress._progress.get_renderable(), width).strip().splitlines()


A_RESULT = Result({}, (Row(10, 0.5, 0.4, 0.91), Row(20, 0.4, 0.5, 0.93), Row(30, 0.3, 0.6, 0.92)))


@pytest.fixture
def sparse_training(make_training: MakeTraining) -> Callable[[float, int], Training]:
    """A training of the sparse engine with about such a density."""

    def make(density: float, steps: int) -> Training:
        full = make_training().mask
        random = np.random.default_rng(0)
        mask = Mask({name: random.random(array.shape) < density for name, array in full.items()})
        return make_training(mask=mask, steps=steps, engine="sparse")

    return make


def test_time_left_is_the_work_left_at_the_rate_so_far(
    clock: Clock, make_training: MakeTraining
) -> None:
    tasks = [task_of("a", 50), task_of("b", 30), task_of("c", 20)]
    progress = progress_of(tasks)
    assert progress.seconds_left() is None
    a, b = make_training(steps=50), make_training(steps=30)
    progress.training_started(tasks[0], 0, a)
    clock.seconds += 5
    assert progress.seconds_left() is None  # no step was done
    progress.stepped(a.digest, 10)
    assert progress.seconds_left() == pytest.approx(45)  # 90 steps at 2 a second
    progress.stepped(a.digest, 50)
    clock.seconds += 20
    progress.training_ended(a.digest, A_RESULT)
    assert progress.seconds_left() == pytest.approx(25)  # 50 at 2 a second
    progress.training_started(tasks[1], 0, b)
    assert progress.seconds_left() == pytest.approx(25)
    clock.seconds += 15
    progress.training_ended(b.digest, A_RESULT)
    assert progress.seconds_left() == pytest.approx(10)


def test_evaluations_are_work(clock: Clock, make_training: MakeTraining) -> None:
    """A training between rounds is evaluated at its end alone."""
    often, once = task_of("often", 100), task_of("once", 100, 100, every=100)
    progress = progress_of([often, once])
    training = make_training(steps=100)
    num_images = len(training.dataset.validation)
    progress.training_started(often, 0, training)
    clock.seconds += 100 + 10 * num_images / 60 / 2
    progress.training_ended(training.digest, A_RESULT)
    progress.task_ended(often)
    assert progress.seconds_left() == pytest.approx(2 * (100 + num_images / 60 / 2))
    rarely = make_training(steps=100, evaluate_every=100)
    progress.training_started(once, 0, rarely)
    progress.stepped(rarely.digest, 50)
    assert progress.fraction_done() == pytest.approx(
        (100 + 10 * num_images / 120 + 50 + num_images / 240) / (300 + 12 * num_images / 120)
    )


def test_side_by_side_they_take_as_long_as_the_longest(
    clock: Clock, make_training: MakeTraining
) -> None:
    tasks = [task_of("a", 100, 100), task_of("b", 100), task_of("c", 100)]
    progress = progress_of(tasks, side=2)
    a, b = make_training(steps=100), make_training(steps=100, seed=2)
    progress.training_started(tasks[0], 0, a)
    progress.training_started(tasks[1], 0, b)
    clock.seconds += 10
    progress.stepped(a.digest, 50)
    progress.stepped(b.digest, 50)
    assert progress.seconds_left() == pytest.approx(
        30
    )  # 50 + 100 of a and 50 + 100 of the others, at 5 a second each
    clock.seconds += 10
    progress.training_ended(b.digest, A_RESULT)
    progress.training_ended(a.digest, A_RESULT)
    progress.training_started(tasks[0], 1, a)
    progress.training_known(tasks[2], 0, b, from_store=True)
    progress.task_ended(tasks[2])
    assert progress.seconds_left() == pytest.approx(20)  # nobody helps the last one


def test_a_sparse_step_counts_less_before_any_was_done(
    clock: Clock, sparse_training: Callable[[float, int], Training]
) -> None:
    dense, sparse = (
        task_of("dense", 1000),
        [task_of(f"sparse{number}", 1000, density=0.02) for number in range(9)],
    )
    progress = progress_of([dense, *sparse])
    training = sparse_training(1.0, 1000)
    progress.training_started(dense, 0, training)
    progress.stepped(training.digest, 500)
    clock.seconds += 10
    assert progress.seconds_left() == pytest.approx(10 + 9 * 20 * 0.147)
    assert progress.fraction_done() == pytest.approx(0.5 / (1 + 9 * 0.147))


def test_what_a_density_costs_is_learned(
    clock: Clock, sparse_training: Callable[[float, int], Training]
) -> None:
    dense = [task_of(f"dense{number}", 1000) for number in range(2)]
    sparse = [task_of(f"sparse{number}", 1000, density=0.02) for number in range(5)]
    progress = progress_of([*dense, *sparse])
    for task, density, seconds in ((dense[0], 1.0, 20), (sparse[0], 0.02, 2)):
        training = sparse_training(density, 1000)
        progress.training_started(task, 0, training)
        clock.seconds += seconds
        progress.training_ended(training.digest, A_RESULT)
        progress.task_ended(task)
    assert progress.seconds_left() == pytest.approx(20 + 4 * 2, rel=0.02)


def test_the_latest_training_counts_most(clock: Clock, make_training: MakeTraining) -> None:
    """A machine that was slow and is not any more."""
    tasks = [task_of(str(number), 100) for number in range(12)]
    progress = progress_of(tasks)
    training = make_training(steps=100)
    for task, seconds in zip(tasks, [100] * 3 + [10] * 7, strict=False):
        progress.training_started(task, 0, training)
        clock.seconds += seconds
        progress.training_ended(training.digest, A_RESULT)
    assert 20 < progress.seconds_left() < 24  # 2 more of 10 seconds


def test_equal_trainings_are_waited_for_once(clock: Clock, make_training: MakeTraining) -> None:
    tasks = [task_of(str(number), 100, 100, shared=True) for number in range(3)]
    progress = progress_of(tasks)
    training = make_training(steps=100)
    progress.training_started(tasks[0], 0, training)
    clock.seconds += 10
    progress.stepped(training.digest, 50)
    assert progress.seconds_left() == pytest.approx(10 + 3 * 20)
    clock.seconds += 10
    progress.training_ended(training.digest, A_RESULT)
    for task in tasks[1:]:
        progress.training_known(task, 0, training, from_store=False)
    assert progress.seconds_left() == pytest.approx(60)
    assert progress.fraction_done() == pytest.approx(1 / 4)


def test_what_the_store_knows_is_done_but_says_nothing_of_the_speed(
    clock: Clock, make_training: MakeTraining
) -> None:
    tasks = [task_of("a", 100), task_of("b", 100)]
    progress = progress_of(tasks)
    training = make_training(steps=100)
    clock.seconds += 10
    progress.training_known(tasks[0], 0, training, from_store=True)
    progress.task_ended(tasks[0])
    assert progress.seconds_left() is None
    assert progress.fraction_done() == pytest.approx(0.5)
    progress.training_started(tasks[1], 0, training)
    clock.seconds += 10
    progress.stepped(training.digest, 50)
    assert progress.seconds_left() == pytest.approx(10)


def test_trainings_that_a_failed_task_did_not_come_to_are_not_waited_for(
    clock: Clock, make_training: MakeTraining
) -> None:
    tasks = [task_of("a", 100, 100, 100), task_of("b", 100)]
    progress = progress_of(tasks)
    training = make_training(steps=100)
    progress.training_started(tasks[0], 0, training)
    progress.stepped(training.digest, 50)
    clock.seconds += 10
    progress.training_ended(training.digest, None)
    progress.task_ended(tasks[0])
    other = make_training(steps=100, seed=2)
    progress.training_started(tasks[1], 0, other)
    progress.stepped(other.digest, 50)
    clock.seconds += 10
    assert progress.seconds_left() == pytest.approx(10)


def test_steps_of_an_ended_training_come_too_late(
    clock: Clock, make_training: MakeTraining
) -> None:
    """`stepped` is called from other threads, the last time perhaps after the end was told."""
    tasks = [task_of("a", 50)]
    progress = progress_of(tasks)
    training = make_training(steps=50)
    progress.training_started(tasks[0], 0, training)
    clock.seconds += 5
    progress.training_ended(training.digest, A_RESULT)
    progress.stepped(training.digest, 50)
    assert progress.seconds_left() == 0


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
    assert progress.steps_per_second() == 10


def test_what_is_drawn(clock: Clock, make_training: MakeTraining) -> None:
    tasks = [task_of("l1-r0.80-n5-s1", 50, 50), task_of("[bold]x", 50), task_of("dense-s1")]
    progress = progress_of(tasks, side=2)
    assert drawn(progress)[0].startswith("pruning ") and drawn(progress)[0].endswith(
        " 0/3 --:-- left"
    )
    a, b = make_training(steps=50), make_training(steps=50, seed=2)
    progress.tick()
    progress.training_started(tasks[0], 1, a)
    progress.training_known(tasks[0], 0, a, from_store=True)
    progress.training_started(tasks[1], 0, b)
    progress.stepped(a.digest, 10)
    progress.stepped(b.digest, 20)
    progress.task_ended(tasks[2])
    clock.seconds += 10
    progress.tick()
    bar, running = drawn(progress)
    assert bar.endswith(
        " 1/3, 3 steps/s, 1 from store 0:24 left"
    )  # 40 more steps at 5 in 3 seconds
    assert running == "l1-r0.80-n5-s1 2/2 20 %, [bold]x 40 %"


def test_time_left_has_hours_where_there_are_any() -> None:
    assert [progress_module.clock(seconds) for seconds in (0, 59.7, 61, 3599, 3960.2)] == [
        "0:00", "1:00", "1:01", "59:59", "1:06:00",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [60, 80])
def test_on_a_narrow_terminal_the_time_left_is_whole(
    clock: Clock, make_training: MakeTraining, width: int
) -> None:
    tasks = [task_of(f"random-r0.97-n5-s{number}", 50) for number in range(8)]
    progress = progress_of(tasks, side=8)
    for number, task in enumerate(tasks):
        progress.training_started(task, 0, make_training(steps=50, seed=number))
    bar, running = drawn(progress, width)
    assert bar.startswith("pruning") and bar.endswith(" 0/8 --:-- left")
    assert running.startswith("random-r0.97-n5-s0 0 %") and running.endswith("…")
    assert len(bar) <= width and len(running) <= width


def test_elsewhere_than_on_a_terminal_a_plain_line_now_and_then(
    clock: Clock, make_training: MakeTraining
) -> None:
    tasks = [task_of("l1-s1", 3000), task_of("l1-s2", 3000)]
    training = make_training(steps=3000)
    with progress_of(tasks, terminal=False) as progress:
        progress.training_started(tasks[0], 0, training)
        for second in range(70):
            progress.tick()
            clock.seconds += 1
            progress.stepped(training.digest, 10 * (second + 1))
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
