"""Schedules of the learning rate, and trainings that begin where another ended."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lthctl.artifacts.pruning import Pruning
from lthctl.artifacts.store import Store
from lthctl.datasets.base import Dataset
from lthctl.errors import ParamsError, TrainingError
from lthctl.families import SCHEDULES, trust
from lthctl.grid import cost
from lthctl.lottery.find import specify_ticket
from lthctl.lottery.select import select
from lthctl.models.mlp import MLP
from lthctl.params import TrainParams
from lthctl.seeding import Stream
from lthctl.training.engine import ENGINES
from lthctl.training.engines import resolve, run
from lthctl.training.schedules import check_schedule, factors, rates
from lthctl.training.spec import Training

from .conftest import scores_of

MakeTraining = Callable[..., Training]

ENGINE_NAMES = ("sparse", "torch")

PAPER = TrainParams(  # ResNet-20 of the lottery ticket paper: 0.1, 0.01, 0.001
    steps=30_000, lr=0.1, schedule="step", lr_drops=((20_000, 0.1), (25_000, 0.01))
)


def factor_at(params: TrainParams, *steps: int) -> list[float]:
    return [float(factors(params, step, 1)[0]) for step in steps]


def test_a_constant_rate_is_the_rate_itself() -> None:
    params = TrainParams(lr=0.1 + 0.2)
    assert set(rates(params, 0, 1000)) == {0.1 + 0.2}


def test_drops_hold_from_the_step_after() -> None:
    seen = [float(rate) for rate in rates(PAPER, 19_998, 4)]
    assert seen == [0.1, 0.1, 0.1 * 0.1, 0.1 * 0.1]
    assert factor_at(PAPER, 24_999, 25_000, 29_999) == [0.1, 0.01, 0.01]


def test_the_warm_up_is_a_straight_line_to_the_full_rate() -> None:
    params = TrainParams(steps=100, warmup=4)
    assert factors(params, 0, 6).tolist() == [0.25, 0.5, 0.75, 1, 1, 1]
    both = PAPER.model_copy(update={"warmup": 20_000})
    assert factor_at(both, 9_999, 19_999, 20_000) == [0.5, 1.0, 0.1]


def test_cosine_and_line_go_to_0_after_the_warm_up() -> None:
    for name, middle in (("cosine", 0.5), ("linear", 0.5)):
        params = TrainParams(steps=110, warmup=10, schedule=name)
        after = factors(params, 9, 101)
        assert after[0] == after[1] == 1
        assert np.all(np.diff(after[1:]) < 0)
        assert after[51] == pytest.approx(middle)
        assert 0 < after[-1] < 0.02


@pytest.mark.parametrize("name", ["constant", "step", "cosine", "linear"])
def test_rates_are_a_function_of_the_step_alone(name: str) -> None:
    drops = ((20, 0.5),) if name == "step" else ()
    params = TrainParams(steps=60, warmup=7, schedule=name, lr_drops=drops)
    whole = rates(params, 0, 60)
    pieces = [rates(params, first, 5) for first in range(0, 60, 5)]
    assert whole.tolist() == np.concatenate(pieces).tolist()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"lr_drops": ((5, 0.1),)}, "train.lr_drops: are given, but train.schedule is constant"),
        ({"schedule": "cosine", "lr_drops": ((5, 0.1),)}, "train.schedule is cosine, which has no"),
        ({"schedule": "step"}, "train.lr_drops: are missing, which train.schedule step needs"),
        ({"warmup": 31}, "train.warmup: is 31, expected at most 30, the steps of a training"),
        ({"schedule": "cosin"}, "schedule: is 'cosin'; did you mean 'cosine'?"),
    ],
)
def test_what_would_say_nothing_is_refused(
    given: dict[str, object], said: str, train_params: TrainParams, make_training: MakeTraining
) -> None:
    params = train_params.model_copy(update=given)
    with pytest.raises(ParamsError) as refusal:
        check_schedule(params)
    assert said in str(refusal.value)
    with pytest.raises(ParamsError):
        resolve(params, MLP())
    with pytest.raises(ParamsError):
        run(make_training(**given))


def test_a_warm_up_that_is_longer_than_a_round_is_refused_before_anything_is_trained(
    train_params: TrainParams, dataset: Dataset, small_model: MLP
) -> None:
    train = train_params.model_copy(update={"warmup": 16})
    assert specify_ticket(small_model, dataset, asked(rounds=1), train).train is not None
    with pytest.raises(ParamsError, match="expected at most 15, the steps of each of the 2 rounds"):
        specify_ticket(small_model, dataset, asked(rounds=2), train)


def asked(rounds: int) -> Pruning:
    return Pruning(method="l1", ratio=0.5, rounds=rounds, seed=1, biases=True)


def test_what_is_measured_needs_no_schedule(make_training: MakeTraining) -> None:
    """A plan trains for a step or two, which no warm-up fits into."""
    assert len(run(cost._of_steps(make_training(warmup=20, schedule="cosine"), 2, 1)).history) == 2


OWN = """
def sawtooth(step, params):
    return 1 - step % 10 / 10

def negative(step, params):
    return 1 - step

def words(step, params):
    return "fast"
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_schedules.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    trust(*(f"own_schedules:{name}" for name in ("sawtooth", "negative", "words")))


def test_a_schedule_of_ones_own_is_part_of_the_identity(
    own: None, make_training: MakeTraining
) -> None:
    name = "own_schedules:sawtooth"
    params = TrainParams(steps=30, schedule=name)
    assert factors(params, 8, 4) == pytest.approx([0.2, 0.1, 1, 0.9])
    training = make_training(schedule=name)
    assert training.sources == {name: SCHEDULES.source_digest(name)}
    assert len(run(training).history) == 3


@pytest.mark.parametrize(
    ("name", "said"),
    [("negative", "gives -1 after 2 steps, expected a finite number"), ("words", "gives 'fast'")],
)
def test_a_schedule_of_ones_own_that_gives_no_rate(own: None, name: str, said: str) -> None:
    with pytest.raises(TrainingError) as refusal:
        factors(TrainParams(steps=30, schedule=f"own_schedules:{name}"), 0, 5)
    assert said in str(refusal.value)


# ---- trainings that begin where another ended ----

BEGINNINGS: dict[str, dict[str, object]] = {
    "sgd": {"optimizer": "sgd", "lr": 0.1},
    "decay and a cosine": {
        "optimizer": "sgd", "lr": 0.1, "weight_decay": 1e-3, "schedule": "cosine", "warmup": 5,
    },
}  # fmt: skip


def in_two(whole: Training, step: int) -> tuple[Training, Training]:
    """The training up to a step, run; and the one that goes on from there."""
    begin = replace(whole, last_step=step)
    return begin, replace(whole, start=run(begin).weights, first_step=step)


@pytest.mark.parametrize("step", [1, 10, 13])
@pytest.mark.parametrize("pruned", [0.0, 0.7])
@pytest.mark.parametrize("given", BEGINNINGS)
@pytest.mark.parametrize("engine", ENGINE_NAMES)
def test_to_a_step_and_on_is_the_whole_training_bit_for_bit(
    engine: str, given: str, pruned: float, step: int, make_training: MakeTraining
) -> None:
    whole = make_training(engine=engine, steps=25, **BEGINNINGS[given])
    scores = scores_of("random", whole.start, Stream(1, "prune", 1))
    mask = select(scores, whole.mask, rate=dict.fromkeys(whole.mask, pruned))
    whole = replace(whole, mask=mask, start=mask.apply(whole.start))
    expected = run(whole)
    result = run(in_two(whole, step)[1])
    for name, array in expected.weights.items():
        assert result.weights[name].tobytes() == array.tobytes(), name
    ahead = [row for row in expected.history if row.step > step]
    assert [row._replace(train_loss=0) for row in result.history] == [
        row._replace(train_loss=0) for row in ahead
    ]
    aligned = step % 10 == 0
    assert (result.history[0].train_loss == ahead[0].train_loss) == aligned
    assert [row.train_loss for row in result.history[1:]] == [row.train_loss for row in ahead[1:]]


@pytest.mark.parametrize("engine", ENGINE_NAMES)
def test_what_is_trained_before_the_first_row_is_averaged_alone(
    engine: str, make_training: MakeTraining
) -> None:
    """Steps 14 to 20, and not also the ones before, which another training took."""
    whole = make_training(engine=engine, steps=20, optimizer="sgd", lr=0.1)
    _, going_on = in_two(whole, 13)
    every = run(replace(going_on, params=whole.params.model_copy(update={"evaluate_every": 1})))
    assert [row.step for row in every.history] == list(range(14, 21))
    expected = np.mean([row.train_loss for row in every.history])
    assert run(going_on).history[0].train_loss == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("engine", ENGINE_NAMES)
@pytest.mark.parametrize(
    "given", [{"optimizer": "adam"}, {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9}]
)
def test_the_optimizer_is_fresh_where_a_training_goes_on(
    engine: str, given: dict[str, object], make_training: MakeTraining
) -> None:
    """Moments and bias correction begin at the first step of the training: so it differs from one
    that went through, and is what a training of that start over these batches is."""
    whole = make_training(engine=engine, steps=20, **given)
    _, going_on = in_two(whole, 10)
    result = run(going_on)
    through = run(whole)
    assert any(
        result.weights[name].tobytes() != array.tobytes() for name, array in through.weights.items()
    )
    # The same batches as the first ones of a training from 0.
    order = whole.batch_order().batches(10, 10)
    shifted = replace(
        whole, start=going_on.start, params=whole.params.model_copy(update={"steps": 10})
    )
    object.__setattr__(
        shifted, "batch_order", lambda: SimpleNamespace(batches=lambda f, n: order[f : f + n])
    )
    from_0 = run(shifted)
    for name, array in from_0.weights.items():
        assert result.weights[name].tobytes() == array.tobytes(), name


@pytest.mark.parametrize("engine", ENGINE_NAMES)
def test_both_parts_are_kept_in_the_store(
    engine: str, make_training: MakeTraining, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    for training in in_two(make_training(engine=engine, steps=25, optimizer="sgd", lr=0.1), 13):
        result = run(training)
        store.put(training, result)
        kept = store.get(training)
        assert kept is not None and kept.history == result.history
    other = replace(training, first_step=5)
    store.put(other, result)  # one that is not of these steps
    assert store.get(other) is None


@pytest.mark.parametrize(("first", "last", "said"), [(10, None, "first"), (0, 20, "last")])
def test_an_engine_that_takes_all_steps_is_given_no_part(
    first: int,
    last: int | None,
    said: str,
    make_training: MakeTraining,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = ENGINES.get("torch")
    knows = engine.parameters - {"first_step", "last_step"}
    monkeypatch.setattr(engine, "parameters", knows)
    part = replace(make_training(), first_step=first, last_step=last)
    with pytest.raises(ParamsError, match=f"it has no {said}_step: it takes all steps"):
        run(part)
