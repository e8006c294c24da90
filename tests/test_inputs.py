"""What no engine can train is refused before any begins, with one message; a parameter with several
names counts once."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from lthctl.cli.engine_view import say_what_is_assumed
from lthctl.datasets.base import Dataset, Split
from lthctl.errors import DataError, ParamsError, TrainingError
from lthctl.interop.apply import apply_ticket_
from lthctl.lottery.find import find_ticket
from lthctl.lottery.retrain import retrain
from lthctl.mask import Mask
from lthctl.models import entry
from lthctl.models.entry import as_model
from lthctl.models.mlp import MLP
from lthctl.models.module import ModuleModel
from lthctl.params import ModelParams, Params, TrainParams
from lthctl.seeding import Stream
from lthctl.training.engines import run
from lthctl.training.spec import Training

ENGINES = ["torch", "sparse"]


def changed(dataset: Dataset, split: str, **arrays: np.ndarray) -> Dataset:
    parts = {"train": dataset.train, "validation": dataset.validation}
    kept = {"images": parts[split].images, "labels": parts[split].labels}
    return Dataset("digits", **{**parts, split: Split(**{**kept, **arrays})})


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize(("label", "said"), [(-100, "-100 to 9"), (255, "0 to 255")])
def test_labels_that_are_no_class(
    engine: str, split: str, label: int, said: str, dataset: Dataset,
    make_training: Callable[..., Training],
) -> None:  # fmt: skip
    labels = getattr(dataset, split).labels.copy()
    labels[:50] = label
    training = make_training(dataset=changed(dataset, split, labels=labels), engine=engine)
    place = "" if split == "train" else " of validation"
    with pytest.raises(DataError) as refusal:
        run(training)
    assert str(refusal.value) == (
        f"dataset: labels{place} are {said}, expected 0 to 9, the model's classes"
    )


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_no_numbers(
    engine: str, value: float, dataset: Dataset, make_training: Callable[..., Training]
) -> None:
    images = dataset.train.images.astype(np.float32) / 255
    images[7, 3] = value
    training = make_training(dataset=changed(dataset, "train", images=images), engine=engine)
    with pytest.raises(DataError, match="image 7 of train has a pixel that is not a finite number"):
        run(training)


class Own(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.out = nn.Linear(784, 8), nn.Linear(8, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.out(self.fc(images).relu())


class Lazy(Own):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.LazyLinear(8)


class Wave(Own):
    def __init__(self) -> None:
        super().__init__()
        self.fc.weight = nn.Parameter(self.fc.weight.to(torch.complex64))


class Sparse(Own):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.eye(2).to_sparse())


class Quantized(Own):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch._empty_affine_quantized([2], dtype=torch.qint8))


class Shared(Own):
    def __init__(self) -> None:
        super().__init__()
        self.fc.bias = nn.Parameter(self.out.weight.data[0])


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Lazy, "'fc.weight' is of type UninitializedParameter, which has no shape yet"),
        (lambda: Own().bfloat16(), "'fc.weight' is of type torch.bfloat16, expected torch.float32"),
        (lambda: Own().double(), "'fc.weight' is of type torch.float64, expected torch.float32"),
        (lambda: Own().half(), "'out.bias' is of type torch.float16, expected torch.float32"),
        (lambda: Own().to("meta"), "'fc.weight' is on the device meta and has no numbers"),
        (Wave, "'fc.weight' is of type torch.complex64, expected torch.float32"),
        (Quantized, "'scale' is of type torch.qint8, which NumPy files do not have"),
        (Sparse, "'scale' has the layout torch.sparse_coo, expected a dense tensor"),
        (Shared, "'fc.bias' and 'out.weight' share memory, and are not one parameter"),
    ],
)
def test_modules_that_cannot_be_trained(make: Callable[[], nn.Module], said: str) -> None:
    with pytest.raises(ParamsError) as refusal:
        ModuleModel("own", make, output="out")
    assert str(refusal.value).startswith("model own: ") and said in str(refusal.value)
    with pytest.raises(ParamsError) as refusal:
        as_model("mynets:make", make).from_params(ModelParams(name="mynets:make"))
    assert said in str(refusal.value)


class Several(Own):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (super().forward(images), images)  # type: ignore[return-value]


class Raising(Own):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        raise KeyError("mine")


class Nowhere(Own):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.zeros(2, device="meta"), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images) + self.scale.to(images.device)[0]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Several, "TypeError: it gives a tuple, expected a tensor"),
        (Raising, "KeyError: 'mine'"),
        (Nowhere, "NotImplementedError: "),
    ],
)
def test_modules_that_take_no_images(
    make: type[nn.Module], said: str, dataset: Dataset, train_params: TrainParams
) -> None:
    model = ModuleModel("own", make, output="out")
    with pytest.raises(ParamsError, match=rf"model own: cannot take images .*\({said}"):
        find_ticket(model, dataset, method="l1", ratio=0.5, seed=1, train=train_params)


def test_images_that_are_no_arrays(dataset: Dataset) -> None:
    images, labels = dataset.train.images, dataset.train.labels
    for given in (
        (images.tolist(), labels),
        (images, labels.tolist()),
        (torch.tensor(images), labels),
    ):
        with pytest.raises(DataError, match=r"expected an array of NumPy's"):
            Split(*given)


# ---- one parameter, several names ----


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Linear(784, 16), nn.Linear(16, 16), nn.Linear(16, 10)
        self.c = nn.Linear(16, 16)
        self.c.weight = self.b.weight

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.out(self.c(self.b(self.a(images).relu()).relu()).relu())


class TiedOutput(nn.Module):
    """The output layer has the weights of the first."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.out = nn.Linear(784, 10), nn.Linear(784, 10)
        self.out.weight = self.first.weight

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.out(self.first(images) @ self.first.weight)


class Twice(nn.Module):
    """A submodule under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Linear(784, 16), nn.Linear(16, 16), nn.Linear(16, 10)
        self.c = self.b

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.out(self.c(self.b(self.a(images).relu()).relu()).relu())


@pytest.mark.parametrize(
    ("make", "others"),
    [
        (Tied, {"c.weight": "b.weight"}),
        (TiedOutput, {"out.weight": "first.weight"}),
        (Twice, {"c.weight": "b.weight", "c.bias": "b.bias"}),
    ],
)
def test_a_parameter_with_several_names_counts_once(
    make: Callable[[], nn.Module], others: dict[str, str], dataset: Dataset
) -> None:
    model = ModuleModel("tied", make, output="out")
    assert model.other_names == others
    ticket = find_ticket(model, dataset, method="random", ratio=0.8, seed=1)
    assert not others.keys() & (ticket.mask.keys() | ticket.init.keys())
    train = TrainParams(steps=3, evaluate_every=3, device="cpu", engine="torch")
    done = retrain(ticket, dataset, train=train, model=model)
    assert done.proof.pruned == ticket.mask.size - ticket.mask.num_kept
    assert done.proof.pruned_nonzero == 0 < done.proof.kept_moved
    network = make()
    apply_ticket_(network, ticket)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.rand(8, 784)).square().sum().backward()
    optimizer.step()
    for name, kept in ticket.mask.items():
        assert torch.count_nonzero(network.get_parameter(name)[~torch.tensor(kept)]) == 0


def test_the_name_that_counts_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ModuleModel("tied", Twice, output="out")
    monkeypatch.setattr(entry, "model_from", lambda _: model)
    say_what_is_assumed(Params())
    assert capsys.readouterr().err == (
        "model: c.weight is b.weight; they are one parameter, which counts once, as b.weight\n"
        "model: c.bias is b.bias; they are one parameter, which counts once, as b.bias\n"
    )


def test_a_tied_output_layer_is_pruned_as_one() -> None:
    model = ModuleModel("tied", TiedOutput, output="out")
    assert model.is_output("first.weight") and model.is_output("out.bias")
    assert not model.is_output("first.bias")


# ---- a factory that gives the same weights for every seed ----


def pretrained() -> nn.Module:
    module = Own()
    with torch.no_grad():
        module.fc.weight.copy_(torch.linspace(-1, 1, 8 * 784).reshape(8, 784))
    return module


def test_reinit_of_a_pretrained_module_is_refused(dataset: Dataset) -> None:
    model = ModuleModel("pretrained", pretrained, output="out")
    ticket = find_ticket(model, dataset, method="random", ratio=0.5, seed=1)
    train = TrainParams(steps=1, evaluate_every=1, device="cpu", engine="torch")
    with pytest.raises(TrainingError) as refusal:
        retrain(ticket, dataset, control="reinit", train=train, model=model)
    assert str(refusal.value).startswith(
        "control reinit: the model makes 'fc.weight' the same for every seed, as a pretrained one "
        "does, so that reinit is rewind there"
    )
    retrain(ticket, dataset, control="rewind", train=train, model=model)
    own = ModuleModel("own", Own, output="out")
    ticket = find_ticket(own, dataset, method="random", ratio=0.5, seed=1)
    retrain(ticket, dataset, control="reinit", train=train, model=own)


def test_images_of_another_shape_than_the_model_takes() -> None:
    """The same for both engines, before anything is computed."""
    images = Split(np.zeros((6, 3, 2, 2), np.uint8), np.arange(6) % 2)
    model = MLP((784, 2))
    mask, start = Mask.full(model.prunable(biases=True)), model.draw(Stream(1, "init"))
    for engine in ("sparse", "torch"):
        params = TrainParams(steps=2, evaluate_every=1, batch_size=2, engine=engine, device="cpu")
        with pytest.raises(DataError) as refusal:
            run(Training(model, start, mask, Dataset("x", images, images), 1, params))
        assert str(refusal.value) == (
            "dataset: an image has 12 values, of shape (3, 2, 2), expected 784, the model's inputs; "
            "make a model with 12 inputs, or give other images"
        )
    other = Split(np.zeros((6, 3, 2, 3), np.uint8), np.arange(6) % 2)
    with pytest.raises(
        DataError, match=r"images differ in shape: of train \(3, 2, 2\), of validation"
    ):
        run(Training(model, start, mask, Dataset("x", images, other), 1, params))
