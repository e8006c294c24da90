"""Modules with more than plain weights: frozen parameters, buffers, batch norm, dropout."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lthctl.artifacts.ticket import Ticket, load_ticket, save_ticket
from lthctl.datasets.base import Dataset
from lthctl.errors import ParamsError
from lthctl.interop.export import num_kept_zeros
from lthctl.lottery.find import find_ticket
from lthctl.lottery.retrain import retrain
from lthctl.models.entry import as_model
from lthctl.models.module import ModuleModel
from lthctl.params import ModelParams, TrainParams

TRAIN = TrainParams(steps=6, evaluate_every=6, batch_size=20, device="cpu", engine="torch")


class Net(nn.Module):
    """A frozen layer, batch norm, dropout, and a buffer that counts forward passes."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen = nn.Linear(784, 16)
        self.frozen.requires_grad_(False)
        self.norm = nn.BatchNorm1d(16)
        self.drop = nn.Dropout(0.3)
        self.second = nn.Linear(16, 12)
        nn.init.zeros_(self.second.bias).requires_grad_(False)
        self.out = nn.Linear(12, 10)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int16))
        self.register_buffer("signs", torch.tensor([True, False]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.calls += 1
        hidden = self.drop(self.norm(self.frozen(images)).relu())
        return self.out(self.second(hidden).relu())


MODEL = ModuleModel("net", Net, output="out")


def found(dataset: Dataset, **asked: Any) -> Ticket:
    given = {"ratio": 0.5, "rounds": 2, "train": TRAIN, **asked}
    return find_ticket(MODEL, dataset, **given)


def test_frozen_parameters_are_never_pruned_nor_trained(dataset: Dataset) -> None:
    """Weight decay would move them, had they a gradient of 0."""
    assert list(MODEL.prunable(biases=True)) == ["second.weight", "out.weight", "out.bias"]
    assert MODEL.describe().frozen == ("frozen.weight", "frozen.bias", "second.bias")
    train = TRAIN.model_copy(update={"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1})
    ticket = found(dataset, train=train)
    assert set(ticket.mask) == {"second.weight", "out.weight", "out.bias"}
    run = retrain(ticket, dataset, model=MODEL, train=train)
    weights = run.weights or {}
    for name in ("frozen.weight", "frozen.bias", "second.bias"):
        assert np.array_equal(weights[name], ticket.init[name])
    assert not np.array_equal(weights["norm.weight"], ticket.init["norm.weight"])


def test_zeros_of_frozen_parameters_are_no_pruned_weights(dataset: Dataset) -> None:
    """A run's mask is what is not 0; it is exported."""
    ticket = found(dataset)
    run = retrain(ticket, dataset, model=MODEL, train=TRAIN)
    assert not (run.weights or {})["second.bias"].any() and num_kept_zeros(run) == 0


def test_a_module_that_freezes_others_is_another_model() -> None:
    thawed = ModuleModel("net", lambda: Net().requires_grad_(True), output="out")
    assert thawed.describe() != MODEL.describe()


def test_buffers_begin_again_with_every_round(dataset: Dataset, tmp_path: Any) -> None:
    ticket = found(dataset)
    assert ticket.init["norm.num_batches_tracked"] == 0 and ticket.init["calls"] == 0
    run = retrain(ticket, dataset, model=MODEL, train=TRAIN)
    weights = run.weights or {}
    assert weights["norm.num_batches_tracked"] == weights["calls"] == 6
    assert weights["norm.num_batches_tracked"].dtype == np.int64
    assert weights["calls"].dtype == np.int16 and weights["signs"].dtype == np.bool_
    assert weights["norm.running_mean"].any()
    again = load_ticket(save_ticket(ticket, tmp_path / "ticket"))
    for name, array in ticket.init.items():
        assert again.init[name].tobytes() == array.tobytes(), name
        assert again.init[name].dtype == array.dtype, name


def test_a_later_rewind_takes_buffers_of_its_step(dataset: Dataset) -> None:
    """What batch norm has seen until then goes with the weights, and is counted on."""
    ticket = found(dataset, rate=0.5, ratio=0.8, rewind_step=4)
    rewound = ticket.rewound or {}
    assert rewound["norm.num_batches_tracked"] == rewound["calls"] == 4
    assert rewound["norm.running_mean"].any() and not ticket.init["norm.running_mean"].any()
    run = retrain(ticket, dataset, model=MODEL, train=TRAIN)
    assert (run.weights or {})["norm.num_batches_tracked"] == 6


def test_dropout_is_of_the_seed_and_of_training_alone(dataset: Dataset) -> None:
    one, same, other = (
        retrain(found(dataset, seed=seed), dataset, model=MODEL, train=TRAIN) for seed in (1, 1, 2)
    )
    assert one.history == same.history != other.history


# ---- factories ----


def test_a_factory_is_called_with_its_kwargs() -> None:
    def make(width: int, *, deep: bool = False) -> nn.Module:
        layers = [nn.Linear(8, width), *([nn.Linear(width, width)] if deep else [])]
        return nn.Sequential(*layers, nn.Linear(width, 3))

    entry = as_model("nets:make", make)
    model = entry.from_params(ModelParams(name="nets:make", kwargs={"width": 4, "deep": True}))
    assert model.shapes()["1.weight"] == (4, 4)
    description = model.describe()
    assert description.to_json()["kwargs"] == {"width": 4, "deep": True}
    assert entry.from_ticket and entry.from_ticket(description).describe() == description


@pytest.mark.parametrize("draw", [np.random.default_rng().random, lambda: next(COUNT)])
def test_a_factory_that_draws_by_itself_is_refused(draw: Any) -> None:
    def make() -> nn.Module:
        net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
        net[1].running_mean += float(draw())
        return net

    with pytest.raises(ParamsError) as error:
        ModuleModel("mine", make, output="0")
    assert str(error.value) == (
        "model mine: is another one when it is made again with the same seed; it differs in "
        "['1.running_mean']. Its replicates would not be reproducible: draw all numbers from "
        "torch's global generator, which is seeded here"
    )


COUNT = iter(range(100))


def test_a_factory_that_raises_is_told_with_its_reason() -> None:
    def make() -> nn.Module:
        raise KeyError("weights\nand more")

    with pytest.raises(ParamsError, match=r"model mine: cannot be made \(KeyError: "):
        ModuleModel("mine", make, output="0")


def test_a_module_with_nothing_to_train_has_no_layer() -> None:
    entry = as_model("nets:cold", lambda: nn.Sequential(nn.Linear(4, 3)).requires_grad_(False))
    with pytest.raises(ParamsError, match="model nets:cold: has no layer that can be pruned"):
        entry.from_params(ModelParams(name="nets:cold"))


@pytest.mark.long
def test_torchvisions_factories_are_models() -> None:
    models = pytest.importorskip("torchvision.models")
    entry = as_model("torchvision.models:resnet18", models.resnet18)
    asked = ModelParams(name="torchvision.models:resnet18", kwargs={"num_classes": 10})
    model = entry.from_params(asked)
    assert model.is_output("fc.weight") and model.shapes()["fc.weight"] == (10, 512)
    assert model.shapes()["layer2.0.downsample.0.weight"] == (128, 64, 1, 1)
