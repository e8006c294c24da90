"""Pixels moved and scaled: to which numbers, part of which identity, and the same in all engines."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from lthctl.datasets.base import Dataset, Split
from lthctl.datasets.entry import open_folder
from lthctl.datasets.normalizing import moments, normalized
from lthctl.errors import DataError, ParamsError
from lthctl.lottery.find import find_ticket
from lthctl.mask import Mask
from lthctl.models.mlp import MLP
from lthctl.params import DataParams, Params, TrainParams
from lthctl.seeding import Stream
from lthctl.training import engines
from lthctl.training.spec import Training

from .command_line import lthctl, refusal
from .test_report import DATA, L1_TICKET, make_run, report_of

MNIST_MOMENTS = (0.1307, 0.3081)


def test_bytes_become_the_float32_next_to_the_exact_value(dataset: Dataset) -> None:
    moved = normalized(dataset, MNIST_MOMENTS)
    expected = (dataset.train.images.astype(np.float64) / 255 - 0.1307) / 0.3081
    assert moved.train.images.dtype == np.float32
    assert np.array_equal(moved.train.images, expected.astype(np.float32))
    assert np.array_equal(moved.train.labels, dataset.train.labels)
    assert moved.validation.images.dtype == np.float32
    assert dataset.train.images.dtype == np.uint8  # not modified


def test_floats_are_moved_as_they_are_in_any_number() -> None:
    images = np.random.default_rng(1).random((5000, 3)).astype(np.float32)
    given = Dataset("mine", *[Split(images, np.zeros(5000, np.int64))] * 2)
    moved = normalized(given, (0.5, 2.0)).train.images
    assert np.array_equal(moved, ((images.astype(np.float64) - 0.5) / 2).astype(np.float32))


def test_standard_is_measured_on_the_training_images_alone(dataset: Dataset) -> None:
    pixels = dataset.train.images / 255
    mean, deviation = moments(dataset.train)
    assert (mean, deviation) == pytest.approx((pixels.mean(), pixels.std()), rel=1e-12)
    black = Split(np.zeros_like(dataset.validation.images), dataset.validation.labels)
    other = Dataset("digits", dataset.train, black, black)
    moved = normalized(other, "standard")
    assert moved.train.images.mean(dtype=np.float64) == pytest.approx(0, abs=1e-6)
    assert moved.train.images.std(dtype=np.float64) == pytest.approx(1, abs=1e-6)
    assert moved.test is not None
    assert np.unique(moved.test.images) == np.float32(-mean / deviation)


def test_standard_of_images_that_are_all_the_same_is_refused(dataset: Dataset) -> None:
    black = Split(np.zeros((3, 4), np.uint8), np.zeros(3, np.int64))
    with pytest.raises(DataError, match="all pixels of the training images are the same"):
        normalized(Dataset("black", black, black), "standard")


def test_it_is_part_of_the_identity_where_it_is_set_and_only_there(dataset: Dataset) -> None:
    assert normalized(dataset, None) is dataset
    assert "normalize" not in dataset.describe().to_json()
    moved = normalized(dataset, MNIST_MOMENTS)
    assert moved.digest not in (dataset.digest, normalized(dataset, (0.1, 0.3)).digest)
    described = moved.describe().to_json()
    assert described["normalize"] == list(MNIST_MOMENTS)
    assert described["source"] == dataset.digest
    assert pickle.loads(pickle.dumps(moved)).describe() == moved.describe()
    assert "normalize" not in DataParams().identity()
    assert DataParams(normalize="standard").identity()["normalize"] == "standard"


def test_a_folder_gives_it_and_finds_it_again(digits_folder: Path) -> None:
    folder = open_folder(DataParams(), digits_folder)
    raw = folder.dataset(DataParams(), 1)
    assert raw is folder.dataset(DataParams(), 2)
    for params in (
        DataParams(normalize=MNIST_MOMENTS),
        DataParams(normalize="standard"),
        DataParams(normalize="standard", holdout=7),
    ):
        dataset = folder.dataset(params, 2)
        assert folder.dataset(params, 2) is dataset
        assert folder.described(dataset.describe(), 2) is dataset
        there = pickle.loads(pickle.dumps(dataset))
        assert there.digest == dataset.digest
        assert dataset.train.images.dtype == np.float32
    held_out = folder.dataset(DataParams(normalize="standard", holdout=7), 3)
    assert held_out.train.images.mean(dtype=np.float64) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("density", [1.0, 0.3])
def test_both_engines_give_the_same_training(dataset: Dataset, density: float) -> None:
    """The sparse engine skips pixels that are 0; here hardly any is."""
    model = MLP((784, 20, 12, 10))
    random = np.random.default_rng(1)
    shapes = model.prunable(biases=True)
    mask = Mask({name: random.random(shape) < density for name, shape in shapes.items()})
    start = mask.apply(model.draw(Stream(1, "init")))
    moved = normalized(dataset, MNIST_MOMENTS)

    def trained(engine: str) -> list:
        params = TrainParams(
            steps=20, evaluate_every=10, batch_size=60, engine=engine, device="cpu"
        )
        result = engines.run(Training(model, start, mask, moved, 1, params))
        return [result.history, result.weights]

    (ours, weights), (theirs, others) = trained("sparse"), trained("torch")
    for row, other in zip(ours, theirs, strict=True):
        assert row[1:3] == pytest.approx(other[1:3], rel=2e-5)
        assert row.validation_accuracy == pytest.approx(other.validation_accuracy, abs=0.005)
    for name in weights:
        assert np.allclose(weights[name], others[name], rtol=1e-3, atol=2e-5), name
    assert ours != engines.run(
        Training(
            model, start, mask, dataset, 1,
            TrainParams(steps=20, evaluate_every=10, engine="sparse", device="cpu"),
        )
    ).history  # fmt: skip


def test_tickets_say_it_in_schema_3(dataset: Dataset) -> None:
    little = TrainParams(steps=4, evaluate_every=2, engine="torch", device="cpu")
    asked = {"method": "random", "ratio": 0.5, "train": little}
    ticket = find_ticket(MLP((784, 10)), normalized(dataset, MNIST_MOMENTS), **asked)
    assert ticket.specification.schema_number == 3
    assert find_ticket(MLP((784, 10)), dataset, **asked).specification.schema_number == 1
    other = find_ticket(MLP((784, 10), "orthogonal"), dataset, **asked)
    assert other.specification.schema_number == 3


@pytest.mark.long
def test_normalized_runs_are_made_and_verified(workspace: Path) -> None:
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(f"data:\n  normalize: [0.1307, 0.3081]\n{text}")
    words = ("--method", "l1", "--ratio", "0.5", "--seed", "1", "--rounds", "1", "--quiet")
    assert lthctl("prune", *words).exit_code == 0
    assert lthctl("retrain", "masks", "--quiet").exit_code == 0
    run = json.loads(Path("runs/rewind/l1-r0.50-n1-s1/run.json").read_bytes())
    assert run["data"]["normalize"] == [0.1307, 0.3081]
    checked = lthctl("verify", "runs", "masks", "--replay", "--json")
    assert checked.exit_code == 0
    Path("params.yaml").write_text(text)  # says nothing of it, so that of the tickets counts
    before = Path("runs/rewind/l1-r0.50-n1-s1/run.json").read_bytes()
    assert lthctl("retrain", "masks", "--quiet").exit_code == 0
    assert Path("runs/rewind/l1-r0.50-n1-s1/run.json").read_bytes() == before
    other = ("--set", "data.normalize=standard")
    assert "normalize" in refusal(3, "retrain", "masks", "--quiet", *other)


def test_runs_that_differ_in_it_are_never_averaged_together(tmp_path: Path) -> None:
    other = {**DATA, "normalize": [0.1307, 0.3081]}
    report = report_of(
        tmp_path, make_run(L1_TICKET, 1, 0.75), make_run(L1_TICKET, 2, 0.5, data=other)
    )
    titles = [group.title for group in report.groups]
    assert len(titles) == 2
    assert (
        sum("pixels normalized by mean 0.1307 and deviation 0.3081" in one for one in titles) == 1
    )


@pytest.mark.parametrize(
    "value", ["other", [0.1], [0.1, 0], [0.1, -1], [0.1, float("nan")], ["a", 1], [True, 1], 3, {}]
)
def test_what_is_no_normalization_is_refused(value: object) -> None:
    expected = r"expected standard, or a mean and a standard deviation above 0, such as \[0\.1307"
    with pytest.raises(ParamsError, match=expected):
        Params().override({"data.normalize": value})
