"""The arithmetic of the progress display on a clock that is told the time, and what is drawn where."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from lthctl import progress as module
from lthctl.progress import TrainingProgress

from .test_display import text_of


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module.time, "monotonic", clock)
    return clock


@pytest.fixture
def make_progress(clock: Clock) -> Callable[..., TrainingProgress]:
    """Progress of 3 jobs with 100 steps in all."""

    def make(*, terminal: bool = True, enabled: bool = True) -> TrainingProgress:
        console = Console(file=io.StringIO(), width=120, force_terminal=terminal, color_system=None)
        return TrainingProgress(console, verb="pruning", num_jobs=3, num_steps=100, enabled=enabled)

    return make


def drawn(progress: TrainingProgress, width: int = 120) -> str:
    return text_of(progress._progress.get_renderable(), width).strip()


def test_seconds_left(clock: Clock, make_progress: Callable[..., TrainingProgress]) -> None:
    progress = make_progress()
    assert progress.seconds_left() is None
    progress.training_started("a", "l1-s1", 50)
    progress.stepped("a", 10)
    clock.seconds += 5
    assert progress.seconds_left() == 45  # 90 steps at 2 a second
    progress.training_started("b", "l1-s2", 30)
    progress.stepped("b", 20)
    clock.seconds += 1
    assert progress.seconds_left() == 14  # 70 at 30 in 6 seconds
    progress.stepped("a", 50)
    progress.training_ended("a")
    clock.seconds += 1
    assert progress.seconds_left() == 3  # 30 at 70 in 7 seconds
    progress.stepped("b", 30)
    progress.training_ended("b")
    clock.seconds += 1
    assert progress.seconds_left() == 2  # 20 at 80 in 8 seconds


def test_there_is_no_rate_at_first(clock: Clock, make_progress: Callable[..., TrainingProgress]) -> None:
    progress = make_progress()
    progress.training_started("a", "l1-s1", 50)
    clock.seconds += 10
    assert progress.seconds_left() is None  # no step was done
    progress.stepped("a", 5)
    assert progress.seconds_left() == 190
    soon = make_progress()
    soon.training_started("a", "l1-s1", 50)
    soon.stepped("a", 5)
    clock.seconds += 1.5
    assert soon.seconds_left() is None


def test_steps_spared_are_done_but_say_nothing_of_the_speed(
    clock: Clock, make_progress: Callable[..., TrainingProgress]
) -> None:
    progress = make_progress()
    progress.steps_spared(40)
    clock.seconds += 10
    assert progress.seconds_left() is None
    progress.training_started("a", "l1-s1", 50)
    progress.stepped("a", 20)
    assert progress.seconds_left() == 20  # 40 at 2 a second
    progress.steps_spared(80)
    assert progress.seconds_left() == 0  # and never below


def test_a_training_that_ended_early_trained_no_more_than_its_steps(
    clock: Clock, make_progress: Callable[..., TrainingProgress]
) -> None:
    progress = make_progress()
    progress.training_started("a", "l1-s1", 50)
    progress.stepped("a", 10)
    clock.seconds += 10
    progress.training_ended("a")
    assert progress.seconds_left() == 50  # the other 50 at 1 a second


def test_steps_of_an_ended_training_come_too_late(clock: Clock, make_progress: Callable[..., TrainingProgress]) -> None:
    """`stepped` is called from other threads, the last time perhaps after the end was told."""
    progress = make_progress()
    progress.training_started("a", "l1-s1", 50)
    progress.stepped("a", 50)
    progress.training_ended("a")
    progress.stepped("a", 50)
    clock.seconds += 5
    assert progress.seconds_left() == 5


def test_what_is_drawn(clock: Clock, make_progress: Callable[..., TrainingProgress]) -> None:
    progress = make_progress()
    assert drawn(progress).split() == ["pruning", "0/3", "--:--", "left"]
    progress.training_started("a", "l1-r0.80-n5-s1", 50)
    progress.training_started("b", "[bold]x", 50)
    progress.stepped("a", 8)
    progress.stepped("b", 2)
    progress.job_ended("dense-s1")
    clock.seconds += 10
    assert drawn(progress).endswith("1/3 1:30 left  l1-r0.80-n5-s1 16 %, [bold]x 4 %")


def test_time_left_has_hours_where_there_are_any(clock: Clock, make_progress: Callable[..., TrainingProgress]) -> None:
    progress = make_progress()
    progress.training_started("a", "l1-s1", 50)
    progress.stepped("a", 1)
    clock.seconds += 40
    assert "1:06:00 left" in drawn(progress)  # 99 steps of 40 seconds


def test_progress_is_one_line_on_a_narrow_terminal(make_progress: Callable[..., TrainingProgress]) -> None:
    progress = make_progress()
    for number in range(8):
        progress.training_started(str(number), f"random-r0.97-n5-s{number}", 50)
    (line,) = drawn(progress, 80).splitlines()
    assert "random-r0.97-n5-s0 0 %" in line and len(line) <= 80


def test_on_a_narrow_terminal_the_time_left_is_whole(make_progress: Callable[..., TrainingProgress]) -> None:
    progress = make_progress()
    for number in range(4):
        progress.training_started(str(number), f"random-r0.97-n5-s{number}", 50)
    assert drawn(progress, 80).startswith("pruning")
    assert " 0/3 --:-- left " in drawn(progress, 80)


@pytest.mark.parametrize(("terminal", "enabled"), [(False, True), (True, False), (False, False)])
def test_nothing_is_drawn_elsewhere_than_on_a_terminal(
    make_progress: Callable[..., TrainingProgress], terminal: bool, enabled: bool
) -> None:
    with make_progress(terminal=terminal, enabled=enabled) as progress:
        progress.training_started("a", "l1-s1", 50)
        progress.stepped("a", 10)
        progress.training_ended("a")
        progress.job_ended("l1-s1")
    assert progress._progress.console.file.getvalue() == ""


def test_it_is_drawn_on_a_terminal(
    make_progress: Callable[..., TrainingProgress], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with make_progress() as progress:
        progress.job_ended("l1-s1")
    assert "pruning" in progress._progress.console.file.getvalue()
