"""What trainings cost, from what was measured."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from lthctl.grid import cost
from lthctl.grid.cost import Speed, equivalent_steps
from lthctl.grid.tasks import PlannedTraining
from lthctl.params import TrainParams
from lthctl.training.engines import relative_cost
from lthctl.training.spec import OnStep, Training


def test_one_measurement_is_enough_for_everywhere() -> None:
    speed = Speed("sparse")
    speed.learn(1.0, 100, 200.0)
    assert speed.seconds(1.0) == pytest.approx(2.0)
    assert speed.seconds(0.02) == pytest.approx(2.0 * 0.147)


def test_between_measurements_the_factor_is_interpolated() -> None:
    speed = Speed("torch")
    speed.learn(0.2, 1, 1.0)
    speed.learn(0.4, 1, 3.0)
    assert [speed.seconds(density) for density in (0.1, 0.2, 0.3, 0.4, 0.9)] == pytest.approx(
        [1, 1, 2, 3, 3]
    )


def test_the_latest_measurements_count_most() -> None:
    speed = Speed("torch")
    for seconds in [10.0] * 5 + [1.0] * 5:
        speed.learn(0.5, 1, seconds)
    assert 1 < speed.seconds(0.5) < 1.4


@pytest.mark.parametrize(
    ("density", "measured"), [(1.0, 381), (0.2, 234), (0.1, 140), (0.03, 68), (0.01, 44)]
)
def test_relative_cost_is_what_was_measured(density: float, measured: float) -> None:
    """Against the table of a step inside the compiled loop in docs/PERFORMANCE.md."""
    assert relative_cost("sparse", density) == pytest.approx(measured / 381, rel=0.05)
    assert relative_cost("torch", density) == 1


def test_evaluations_are_counted_as_they_are_made() -> None:
    planned = [
        PlannedTraining(
            (), TrainParams(steps=steps, evaluate_every=250, engine="torch"), 1.0, 10_000
        )
        for steps in (1, 250, 251, 1000)
    ]
    assert [one.num_evaluations for one in planned] == [1, 1, 2, 4]
    assert equivalent_steps(1000, 4 * 10_000, 50) == 1000 + 4 * 100
    part = replace(planned[-1], first_step=300, last_step=900)
    assert (part.steps, part.num_evaluations) == (600, 3)  # 500, 750 and 900
    assert planned[-1].work - part.work == pytest.approx(400 + 10_000 / 60 / 2)


def test_what_is_done_once_in_a_training_is_no_evaluation(
    make_training: Callable[..., Training], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0

    def run(training: Training, on_step: OnStep = lambda _: None) -> None:
        nonlocal now
        now += 10.0
        for step in range(1, training.params.steps + 1):
            now += 0.01
            if step % training.params.evaluate_every == 0:
                now += 5.0
            on_step(step)

    monkeypatch.setattr(cost, "run", run)
    monkeypatch.setattr(cost.time, "perf_counter", lambda: now)
    step, evaluation = cost._time(make_training())
    assert (step, evaluation) == pytest.approx((0.01, 5.0))
