"""Built-in networks: their sizes, their first weights, a step of training, and tickets of them."""

import math
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from lthctl.artifacts.checkpoints import CheckpointStore
from lthctl.artifacts.ticket import load_ticket
from lthctl.canonical import digest_of_arrays
from lthctl.datasets.base import Dataset, Split
from lthctl.errors import ParamsError, TicketError
from lthctl.lottery.find import find_ticket
from lthctl.lottery.fitting import check_ticket
from lthctl.mask import Mask
from lthctl.models.described import known_model
from lthctl.models.entry import model_from
from lthctl.models.mlp import MLP
from lthctl.models.module import GENERATOR_LOCK
from lthctl.models.network import Network
from lthctl.models.sharing import load_weights
from lthctl.params import ModelParams, TrainParams
from lthctl.seeding import Stream
from lthctl.training.engines import run
from lthctl.training.spec import Training

from .test_cut_off import content, finished
from .test_families import documents, done, refusal

SIZES = {
    "lenet5": (61_470, 2_550, 61_706),
    "conv2": (4_300_992, 38_592, 4_301_642),  # the paper: 4.3M, 38K
    "conv4": (2_425_024, 259_776, 2_425_930),  # 2.4M, 260K
    "conv6": (2_261_184, 1_144_512, 2_262_602),  # 1.1M of convolutions; it prints 1.7M of all
    "resnet20": (270_896, 270_256, 272_474),  # 270K; 274K with what batch norm keeps
    "resnet32": (464_432, 463_792, 466_906),
    "resnet44": (657_968, 657_328, 661_338),
    "resnet56": (851_504, 850_864, 855_770),
    "vgg11": (9_222_848, 9_217_728, 9_228_362),
    "vgg13": (9_407_168, 9_402_048, 9_413_066),
    "vgg16": (14_715_584, 14_710_464, 14_724_042),
    "vgg19": (20_024_000, 20_018_880, 20_035_018),  # 20.0M
}
"""Name -> weights, those in convolutions, and all parameters."""

SIDES = {"lenet5": 12, "conv2": 8, "conv4": 8, "conv6": 8}
"""Sides of small pictures, where a network must know them."""


def network(name: str, **kwargs: int) -> Network:
    model = model_from(ModelParams(name=name, kwargs=kwargs))
    assert isinstance(model, Network)
    return model


def small(name: str) -> Network:
    """The network for small pictures of 3 channels."""
    sides = {"size": SIDES[name]} if name in SIDES else {}
    return network(name, **({"channels": 3} if name == "lenet5" else {}), **sides)


def pictures(name: str, count: int = 24) -> Dataset:
    random = np.random.default_rng(0)
    side = SIDES.get(name, 16)
    images = random.integers(0, 256, (count, 3, side, side), dtype=np.uint8)
    labels = np.arange(count) % 10
    return Dataset("pictures", Split(images, labels), Split(images[:10], labels[:10]))


@pytest.mark.parametrize("name", SIZES)
def test_a_network_has_the_papers_sizes(name: str) -> None:
    model = network(name)
    sizes = {key: math.prod(shape) for key, shape in model.shapes().items()}
    weights = model.prunable(biases=False)
    convolutions = sum(sizes[key] for key, shape in weights.items() if len(shape) == 4)
    counts = sum(sizes[key] for key in weights), convolutions, sum(sizes.values())
    assert counts == SIZES[name]
    assert list(weights)[-1] == f"{model.output}.weight"


def test_resnet_20_has_274k_numbers_with_those_of_batch_norm() -> None:
    drawn = network("resnet20").draw(Stream(1, "init"))
    assert sum(array.size for array in drawn.values() if array.dtype == np.float32) == 274_042


def test_lenet_300_100_is_an_mlp() -> None:
    assert model_from(ModelParams(name="lenet-300-100", init="glorot")) == MLP(init="glorot")
    with pytest.raises(ParamsError, match=r"model.layers: is \[4, 2\], but lenet-300-100 is"):
        model_from(ModelParams(name="lenet-300-100", layers=(4, 2)))


@pytest.mark.parametrize("name", ["lenet5", "conv2", "resnet20"])
def test_a_draw_is_of_its_stream_alone(name: str) -> None:
    model = small(name)
    before = torch.get_rng_state()
    one, same, other = (model.draw(Stream(seed, "init")) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert digest_of_arrays(one) == digest_of_arrays(same) != digest_of_arrays(other)
    state = model.build().state_dict()
    assert one.keys() == state.keys()
    assert all(one[key].shape == tuple(state[key].shape) for key in one)
    assert all(str(state[key].dtype) == f"torch.{one[key].dtype}" for key in one)


def test_first_weights_of_conv_2_are_pinned() -> None:
    """Tickets of this version and the next must have the same initial weights."""
    drawn = small("conv2").draw(Stream(1, "init"))
    assert drawn["conv1.weight"].ravel()[:3].tolist() == FIRST_WEIGHTS
    bound = 1 / math.sqrt(27)
    assert 0.99 * bound < np.abs(drawn["conv1.weight"]).max() <= bound
    assert np.abs(drawn["conv1.bias"]).max() <= bound and drawn["conv1.bias"].any()


FIRST_WEIGHTS = [0.0647566169500351, 0.1891440749168396, 0.17166082561016083]


@pytest.mark.parametrize(
    ("init", "deviation"),
    [("glorot", math.sqrt(2 / (576 + 576))), ("kaiming-normal", math.sqrt(2 / 576))],
)
def test_fans_of_a_convolution_count_its_kernel(init: str, deviation: float) -> None:
    model = model_from(ModelParams(name="conv2", init=init, kwargs={"size": 8}))
    drawn = model.draw(Stream(1, "init"))
    assert drawn["conv2.weight"].std() == pytest.approx(deviation, rel=0.02)
    assert not drawn["conv2.bias"].any()


def test_orthogonal_kernels_are_orthonormal() -> None:
    model = model_from(ModelParams(name="lenet5", init="orthogonal"))
    matrix = model.draw(Stream(1, "init"))["conv2.weight"].reshape(16, 150)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(16), atol=1e-5)


def test_batch_norm_starts_as_torchs_does() -> None:
    drawn = network("resnet20").draw(Stream(1, "init"))
    of_torch = torch.nn.BatchNorm2d(16).state_dict()
    for name, expected in of_torch.items():
        ours = drawn[f"norm.{name}"]
        assert np.array_equal(ours, expected.numpy()) and ours.dtype == expected.numpy().dtype


@pytest.mark.parametrize("name", ["lenet5", "conv2", "resnet20"])
def test_flat_images_are_as_good(name: str) -> None:
    model = small(name)
    built = model.build().eval()
    load_weights(built, model.draw(Stream(1, "init")))
    images = torch.rand(2, 3, SIDES.get(name, 16), SIDES.get(name, 16))
    assert torch.equal(built(images), built(images.flatten(1)))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            one, marks=[] if one in ("lenet5", "conv2", "resnet20") else [pytest.mark.long]
        )
        for one in SIZES  # the deeper ones take seconds each
    ],
)
def test_a_step_is_that_of_plain_torch_in_float64(name: str) -> None:
    model, dataset = small(name), pictures(name)
    everything = model.prunable(biases=True)
    stream = Stream(3, "shuffle")
    mask = Mask({key: stream.uniform(shape) < 0.5 for key, shape in everything.items()})
    start = mask.apply(model.draw(Stream(1, "init")))
    params = TrainParams(
        steps=1, evaluate_every=1, batch_size=8, optimizer="sgd", lr=0.1, engine="torch",
        device="cpu",
    )  # fmt: skip
    training = Training(model, start, mask, dataset, 1, params)
    result = run(training)
    plain = model.build()
    load_weights(plain, start)
    plain.double()
    batch = training.batch_order().batches(0, 1)[0]
    images = torch.from_numpy(dataset.train.images[batch]).double() / 255
    loss = cross_entropy(plain(images), torch.from_numpy(dataset.train.labels[batch]))
    loss.backward()
    assert result.history[0].train_loss == pytest.approx(loss.item(), rel=1e-5)
    # Through many layers of batch norm, a few numbers next to 0 are on the other side of ReLU.
    allowed = 0.03 if any("norm" in key for key in start) else 1e-4
    for key, parameter in plain.named_parameters():
        moved = 0.1 * parameter.grad.numpy() * mask.get(key, 1)
        ours = start[key].astype(np.float64) - result.weights[key]
        assert np.linalg.norm(ours - moved) <= allowed * np.linalg.norm(moved) + 1e-6, key
        if key in mask:
            assert not result.weights[key][~mask[key]].any()
    for key, buffer in plain.named_buffers():
        np.testing.assert_allclose(result.weights[key], buffer.numpy(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"name": "conv2", "kwargs": {"colours": 3}},
            "model conv2: cannot be called with model.kwargs {'colours': 3} (got an unexpected "
            "keyword argument 'colours'); give it what it takes in model.kwargs: channels, size, "
            "classes",
        ),
        (
            {"name": "conv2", "kwargs": {"classes": "ten"}},
            "model.kwargs: classes is 'ten', expected a whole number above 0",
        ),
        (
            {"name": "resnet20", "layers": (3, 4)},
            "model.layers: is not for resnet20, whose layers are fixed; remove it",
        ),
        (
            {"name": "resnet20", "output": "fc"},
            "model.output: is not for resnet20, whose layers are fixed; remove it",
        ),
        (
            {"name": "mlp", "kwargs": {"classes": 3}},
            "model.kwargs: is {'classes': 3}, but an mlp takes model.layers and model.init; remove "
            "it",
        ),
    ],
)
def test_what_a_network_does_not_take_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ParamsError) as error:
        model_from(ModelParams(**given))
    assert str(error.value) == said


def test_a_network_comes_back_from_what_a_ticket_says_of_it() -> None:
    asked = ModelParams(name="conv4", init="glorot", kwargs={"classes": 100, "channels": 3})
    model = model_from(asked)
    description = model.describe()
    assert description.kwargs == {"classes": 100}  # what is as ever needs no saying
    again = known_model(type(description).model_validate(description.to_json()))
    assert again == model and again.describe() == description


@pytest.mark.long
def test_pictures_that_a_network_cannot_take_are_refused(workspace: Path) -> None:
    """The digits have one channel. What is to be given is what the network takes."""
    (workspace / "params.yaml").write_text("model: resnet20\n")
    assert refusal("prune", "--quiet").endswith(
        "; give it their channels and size: model.kwargs {channels: 1}"
    )
    (workspace / "params.yaml").write_text("model: conv2\n")
    assert refusal("prune", "--quiet") == (
        "model conv2: cannot take images of shape (784,) (RuntimeError: shape '[2, 3, 16, 16]' is "
        "invalid for input of size 1568); give it their channels and size: model.kwargs {channels: 1, "
        "size: 28}"
    )


def test_trainings_of_networks_may_overlap() -> None:
    """They draw nothing, so they need not wait for torch's generator."""
    model, dataset = small("lenet5"), pictures("lenet5")
    params = TrainParams(steps=1, evaluate_every=1, batch_size=8, engine="torch", device="cpu")
    everything = Mask.full(model.prunable(biases=True))
    training = Training(model, model.draw(Stream(1, "init")), everything, dataset, 1, params)
    with GENERATOR_LOCK, ThreadPoolExecutor(1) as pool:
        pool.submit(run, training).result(timeout=60)


def test_a_ticket_of_another_network_is_refused_with_the_way_out() -> None:
    dataset = pictures("conv2")
    ticket = find_ticket(small("conv2"), dataset, method="random", ratio=0.5)
    with pytest.raises(TicketError) as error:
        check_ticket(ticket, small("lenet5"), dataset, where="x")
    assert str(error.value) == (
        "x: is a ticket of conv2 (size 8), uniform weights, expected lenet5 (channels 3, size 12), "
        'uniform weights; set model in params.yaml: {"name": "conv2", "init": "uniform", "kwargs": '
        '{"size": 8}}'
    )


PARAMS = """
model: {{name: {name}, init: glorot, kwargs: {{channels: 1{size}}}}}
train: {{steps: 2, evaluate_every: 2, batch_size: 10, device: cpu}}
prune: {{method: l1, ratio: 0.5, rounds: 2, seed: 1, biases: false}}
"""

ALL_THE_WAY = [
    pytest.param(
        name,
        marks=[pytest.mark.long if name in ("lenet5", "conv2", "resnet20") else pytest.mark.slow],
    )
    for name in SIZES
]


@pytest.mark.parametrize("name", ALL_THE_WAY)
def test_a_network_goes_all_the_way(workspace_of_workers: Path, name: str) -> None:
    workspace = workspace_of_workers
    (workspace / "params.yaml").write_text(
        PARAMS.format(name=name, size=", size: 28" if name in SIDES else "")
    )
    done("prune", "--quiet")
    (document,) = documents("masks", "ticket.json")
    assert document["schema"] == 3
    ticket = load_ticket("masks/l1-r0.50-n2-s1")
    rate = 1 - math.sqrt(0.5)
    output = known_model(ticket.model).describe().output
    for key, kept in ticket.mask.items():
        left = kept.size
        for _ in range(2):
            left -= round((rate / 2 if key.startswith(f"{output}.") else rate) * left)
        assert np.count_nonzero(kept) == left, key
    for control in ("rewind", "reinit"):
        done("retrain", "masks", "--control", control, "--quiet")
    (workspace / ".lthctl").rename(workspace / "elsewhere")
    done("retrain", "masks", "--executor", "processes", "--out", "again", "--quiet")
    assert documents("runs/rewind", "run.json") == documents("again", "run.json")
    done("verify", "masks", "runs", "--replay")
    done("show", "masks")
    done("show", "runs")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            one,
            marks={"lenet5": [], "conv2": [], "resnet20": [pytest.mark.long]}.get(
                one, [pytest.mark.slow]
            ),
        )
        for one in SIZES
    ],
)
def test_a_training_that_is_cut_off_goes_on_to_the_same_bytes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lthctl.disk.os.fsync", lambda _: None)
    model, dataset = small(name), pictures(name)
    params = TrainParams(steps=4, evaluate_every=2, batch_size=8, engine="torch", device="cpu")
    mask = Mask.full(model.prunable(biases=True))
    training = Training(model, model.draw(Stream(1, "init")), mask, dataset, 1, params)
    kept = CheckpointStore(tmp_path / "checkpoints", seconds=0.0)
    result, begun = finished(training, kept, [4])  # killed behind its last step
    assert begun == 2
    assert content(result) == content(run(training))


def tree(*folders: str) -> dict[str, bytes]:
    files = (path for folder in folders for path in sorted(Path(folder).rglob("*")))
    return {str(path): path.read_bytes() for path in files if path.is_file()}


KILLED = [
    pytest.param(
        name, marks=[pytest.mark.long if name in ("conv2", "resnet20") else pytest.mark.slow]
    )
    for name in SIZES
]


@pytest.mark.parametrize("name", KILLED)
def test_a_killed_command_goes_on_to_the_same_bytes(
    workspace_of_workers: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = workspace_of_workers
    size = ", size: 28" if name in SIDES else ""
    (workspace / "params.yaml").write_text(PARAMS.format(name=name, size=size))
    monkeypatch.setenv("LTHCTL_CHECKPOINT_SECONDS", "0")
    command = [sys.executable, "-m", "lthctl", "run", "--jobs", "1", "--quiet"]
    command += ["--set", "train.evaluate_every=1"]
    process = subprocess.Popen(command)
    # A first checkpoint of the first of three trainings, or its result, which comes soon after.
    while not any((workspace / ".lthctl").glob("*/*.safetensors")) and not any(
        (workspace / ".lthctl").rglob("training.json")
    ):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert not list(Path("runs").rglob("run.json"))
    subprocess.run(command, check=True)
    resumed = tree("masks", "runs")
    for folder in ("masks", "runs", ".lthctl"):
        shutil.rmtree(folder)
    subprocess.run(command, check=True)
    assert resumed and tree("masks", "runs") == resumed
