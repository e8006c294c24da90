"""The reference engine: any module, the same result every time, and golden losses that hold
`NUMERICS` to account."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lthctl.datasets.base import Dataset, Split
from lthctl.errors import ParamsError, TrainingError
from lthctl.lottery.find import find_ticket
from lthctl.lottery.retrain import retrain
from lthctl.models.mlp import MLP
from lthctl.models.module import ModuleModel
from lthctl.params import TrainParams
from lthctl.training.engines import resolve, run
from lthctl.training.spec import Training

MakeTraining = Callable[..., Training]
GOLDEN = Path(__file__).parent / "golden" / "losses.txt"


class SmallConvolution(nn.Module):
    """Convolution, batch normalization and dropout: buffers and random numbers, which an MLP has
    none of."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 5, stride=3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.2)
        self.output = nn.Linear(4 * 8 * 8, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.output(self.drop(self.norm(self.conv(images)).relu().flatten(1)))


@pytest.fixture
def convolution() -> ModuleModel:
    return ModuleModel("small-convolution", SmallConvolution, output="output")


@pytest.fixture
def pictures(dataset: Dataset) -> Dataset:
    """The digits as (n, 1, 28, 28)."""
    train, validation = (
        Split(s.images.reshape(-1, 1, 28, 28), s.labels)
        for s in (dataset.train, dataset.validation)
    )
    return Dataset("digits", train, validation)


def test_any_module_is_pruned_rewound_and_retrained(
    convolution: ModuleModel, pictures: Dataset, train_params: TrainParams
) -> None:
    ticket = find_ticket(convolution, pictures, ratio=0.8, rounds=2, train=train_params)
    assert set(ticket.mask) == {"conv.weight", "conv.bias", "output.weight", "output.bias"}
    assert "norm.running_mean" in ticket.init
    result = retrain(ticket, pictures, train=train_params, model=convolution)
    assert result.weights is not None
    assert all(
        np.count_nonzero(result.weights[name][~kept]) == 0 for name, kept in ticket.mask.items()
    )
    assert np.any(result.weights["norm.running_mean"] != ticket.init["norm.running_mean"])
    assert result.history[-1].train_loss < result.history[0].train_loss


def test_torchs_global_generator_neither_matters_nor_moves(
    convolution: ModuleModel, pictures: Dataset, train_params: TrainParams
) -> None:
    digests = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        ticket = find_ticket(convolution, pictures, ratio=0.5, train=train_params)
        result = retrain(ticket, pictures, control="reinit", train=train_params, model=convolution)
        digests.append((ticket.digest, result.metrics, result.history))
        assert torch.equal(torch.get_rng_state(), before)
    assert digests[0] == digests[1]


def test_output_layer_must_be_there() -> None:
    with pytest.raises(
        ParamsError, match=r"model 'net': has no output layer 'fc'; it has conv\.weight, conv\.bias"
    ):
        ModuleModel("net", SmallConvolution, output="fc")


def test_uint8_and_float32_images_are_the_same_training(
    make_training: MakeTraining, dataset: Dataset
) -> None:
    def as_float(split: Split) -> Split:
        return Split(split.images.astype(np.float32) * np.float32(1 / 255), split.labels)

    from_bytes = run(make_training())
    from_floats = run(
        make_training(
            dataset=Dataset("digits", as_float(dataset.train), as_float(dataset.validation))
        )
    )
    assert from_bytes.history == from_floats.history


def test_nothing_given_is_modified(make_training: MakeTraining) -> None:
    training = make_training()
    before = {name: array.copy() for name, array in training.start.items()}
    images = training.dataset.train.images.copy()
    run(training)
    assert all(np.array_equal(training.start[name], before[name]) for name in before)
    np.testing.assert_array_equal(training.dataset.train.images, images)


def test_threads_of_the_caller_are_left_as_they_were(make_training: MakeTraining) -> None:
    before = torch.get_num_threads()
    run(make_training(threads=before + 1))
    assert torch.get_num_threads() == before


def test_what_on_step_raises_ends_the_training(make_training: MakeTraining) -> None:
    seen: list[int] = []

    def stop(step: int) -> None:
        seen.append(step)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(make_training(), stop)
    assert seen == [10]


def test_last_evaluation_is_at_the_last_step(make_training: MakeTraining) -> None:
    assert [row.step for row in run(make_training(steps=25)).history] == [10, 20, 25]


def test_a_diverged_training_is_an_error(make_training: MakeTraining) -> None:
    with pytest.raises(
        TrainingError,
        match=r"the training loss is nan at step \d+ with train.lr 1e\+20; try a smaller",
    ):
        run(make_training(optimizer="sgd", lr=1e20))


def test_plain_optimizers_where_torch_has_no_fused_ones(
    make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    fused = run(make_training())
    original = torch.optim.Adam

    def refuse(*args: object, fused: bool, **kwargs: object) -> torch.optim.Adam:
        if fused:
            raise RuntimeError("`fused=True` requires all the params to be on supported devices")
        return original(*args, fused=fused, **kwargs)

    monkeypatch.setattr(torch.optim, "Adam", refuse)
    plain = run(make_training())
    for name in fused.weights:
        np.testing.assert_allclose(plain.weights[name], fused.weights[name], rtol=1e-3, atol=1e-5)


def test_device_and_engine_are_resolved() -> None:
    resolved = resolve(TrainParams(engine="torch"), MLP())
    assert (resolved.engine, resolved.device) == (
        "torch",
        "cuda" if torch.cuda.is_available() else "cpu",
    )
    with pytest.raises(
        ParamsError,
        match=r"train\.device: is 'abacus', which torch cannot use here .*; use auto or cpu",
    ):
        resolve(TrainParams(device="abacus"), MLP())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_training(make_training: MakeTraining) -> None:
    on_cpu, on_gpu = run(make_training()), run(make_training(device="cuda"))
    for a, b in zip(on_cpu.history, on_gpu.history, strict=True):
        assert b.validation_loss == pytest.approx(a.validation_loss, rel=1e-3)


CASES = {
    "adam": {},
    "adam, weight decay": {"weight_decay": 0.01},
    "sgd": {"optimizer": "sgd", "lr": 0.1},
    "sgd, momentum": {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9},
    "sparse engine, adam": {"engine": "sparse"},
    "sparse engine, sgd": {
        "engine": "sparse",
        "optimizer": "sgd",
        "lr": 0.1,
        "momentum": 0.9,
        "weight_decay": 0.01,
    },
}


def test_golden_losses(make_training: MakeTraining, request: pytest.FixtureRequest) -> None:
    """A change of these figures is a change of results: count `NUMERICS` up, and put before and
    after in the changelog.

    `pytest tests/test_engine_torch.py --write-golden` writes them; compared to five digits, as
    machines differ in the last ones.
    """
    if request.config.getoption("--write-golden"):
        GOLDEN.write_text("\n".join(losses(make_training)) + "\n")
    golden = [line.rsplit(" ", 3) for line in GOLDEN.read_text().splitlines()]
    found = [line.rsplit(" ", 3) for line in losses(make_training)]
    assert [(case, step) for case, step, *_ in found] == [(case, step) for case, step, *_ in golden]
    for (case, step, *now), (_, _, *then) in zip(found, golden, strict=True):
        assert [float(x) for x in now] == pytest.approx([float(x) for x in then], rel=2e-5), (
            case,
            step,
        )


def losses(make_training: MakeTraining) -> list[str]:
    return [
        f"{case} {row.step} {row.train_loss:.6f} {row.validation_loss:.6f}"
        for case, changes in CASES.items()
        for row in run(make_training(**changes)).history
    ]
