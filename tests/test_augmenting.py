"""Pictures of a batch are cut and mirrored: by seed and step alone, part of the identity, refused by
an engine that cannot. And numbers of channels, made of bytes batch by batch."""

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lthctl.datasets.augmenting import augmented
from lthctl.datasets.base import Dataset, Split
from lthctl.datasets.entry import open_folder
from lthctl.datasets.normalizing import moments, normalized
from lthctl.errors import DataError, ParamsError
from lthctl.mask import Mask
from lthctl.models.mlp import MLP
from lthctl.params import Augment, DataParams, Params, TrainParams
from lthctl.seeding import Stream
from lthctl.training import engines
from lthctl.training.augmentation import AugmentationOrder
from lthctl.training.dense import images as dense_images
from lthctl.training.dense.images import TrainingInputs, as_input, on_device
from lthctl.training.spec import Training

from .command_line import lthctl
from .test_report import DATA, L1_TICKET, make_run, report_of

BOTH = Augment(crop=2, flip=True)

SMALL = TrainParams(steps=6, evaluate_every=3, batch_size=8, engine="torch", device="cpu")


def colours(count: int, seed: int) -> Split:
    """Pictures of 3 x 6 x 5 random bytes."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, 3, 6, 5)).astype(np.uint8)
    return Split(images, random.integers(0, 4, count).astype(np.int64))


@pytest.fixture
def pictures() -> Dataset:
    return Dataset("colours", colours(40, 1), colours(20, 2))


def a_training(dataset: Dataset, **changes: object) -> Training:
    model = MLP((int(np.prod(dataset.train.images.shape[1:])), 5, 4))
    mask = Mask.full(model.prunable(biases=True))
    start = model.draw(Stream(1, "init"))
    return replace(Training(model, start, mask, dataset, 1, SMALL), **changes)


# ---- what is drawn ----


def test_draws_depend_on_seed_and_step_alone() -> None:
    order = AugmentationOrder(1, BOTH, 50)
    whole = order.draws(0, 20)
    assert (whole.shape, whole.dtype) == ((20, 50, 3), np.uint8)
    assert np.array_equal(order.draws(7, 5), whole[7:12])
    assert np.array_equal(AugmentationOrder(1, BOTH, 50).draws(19, 1), whole[19:])
    assert not np.array_equal(AugmentationOrder(2, BOTH, 50).draws(0, 20), whole)
    assert not np.array_equal(whole[0], whole[1])
    assert [np.unique(whole[..., which]).tolist() for which in range(3)] == [
        [0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [0, 1]
    ]  # fmt: skip


def test_first_draws_of_seed_1() -> None:
    """The numbers are made from raw bits that NumPy promises not to change."""
    assert AugmentationOrder(1, BOTH, 3).draws(0, 1).tolist() == [[[3, 0, 1], [1, 1, 1], [4, 2, 1]]]


@pytest.mark.parametrize("augment", [Augment(crop=2), Augment(flip=True)])
def test_one_of_both_leaves_the_other_out(augment: Augment) -> None:
    drawn = AugmentationOrder(1, augment, 50).draws(0, 4)
    assert drawn[..., 2].any() == augment.flip
    assert drawn[..., :2].any() == bool(augment.crop)


def test_pictures_are_cut_out_of_a_black_border_and_mirrored(pictures: Dataset) -> None:
    """Against a loop that says it in words."""
    dataset = augmented(pictures, BOTH)
    inputs = TrainingInputs(a_training(dataset), torch.device("cpu"))
    batch = torch.tensor([5, 0, 5, 39])
    order = AugmentationOrder(1, BOTH, 8).draws(0, 2)
    for draw, drawn in zip(inputs.draws(0, 2), order, strict=True):
        assert draw is not None
        made = inputs.of(batch, draw[:4])
        for which, index in enumerate(batch.tolist()):
            down, right, mirrored = drawn[which].tolist()
            bordered = np.zeros((3, 10, 9), np.uint8)
            bordered[:, 2:8, 2:7] = dataset.train.images[index]
            cut = bordered[:, down : down + 6, right : right + 5]
            expected = cut[:, :, ::-1] if mirrored else cut
            assert np.array_equal(np.rint(made[which].numpy() * 255), expected)


def test_flat_squares_are_pictures_too(dataset: Dataset) -> None:
    moved = augmented(dataset, Augment(crop=3))
    inputs = TrainingInputs(a_training(moved), torch.device("cpu"))
    (draw,) = inputs.draws(0, 1)
    assert draw is not None
    batch = torch.arange(8)
    made = inputs.of(batch, draw)
    assert made.shape == (8, 784)
    (down, right, _), first = draw[0].tolist(), dataset.train.images[0].reshape(28, 28)
    bordered = np.pad(first, 3)[down : down + 28, right : right + 28]
    assert np.array_equal(np.rint(made[0].numpy() * 255).reshape(28, 28), bordered)


# ---- trainings ----


def test_a_training_that_begins_later_sees_the_same_pictures(
    pictures: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    of = TrainingInputs.of
    monkeypatch.setattr(TrainingInputs, "of", lambda *given: seen.append(of(*given)) or seen[-1])
    whole = a_training(augmented(pictures, BOTH))
    engines.run(whole)
    first, seen = seen, []
    engines.run(replace(whole, first_step=4))
    assert len(first) == 6 and len(seen) == 2
    assert all(map(torch.equal, first[4:], seen))


def test_evaluations_see_the_images_as_they_are(
    pictures: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a learning rate of next to nothing, losses are those of the first weights."""
    slow = SMALL.model_copy(update={"lr": 1e-30, "optimizer": "sgd"})
    plain, changed = (
        engines.run(a_training(one, params=slow)) for one in (pictures, augmented(pictures, BOTH))
    )
    assert plain.history[-1].validation_loss == changed.history[-1].validation_loss
    assert plain.history[-1].train_loss != changed.history[-1].train_loss


def test_it_is_part_of_the_identity_where_it_is_set_and_only_there(pictures: Dataset) -> None:
    assert augmented(pictures, None) is pictures
    assert "augment" not in pictures.describe().to_json()
    moved = augmented(pictures, BOTH)
    others = [augmented(pictures, one) for one in (Augment(crop=2), Augment(crop=1, flip=True))]
    assert len({one.digest for one in (pictures, moved, *others)}) == 4
    assert moved.describe().to_json()["augment"] == {"crop": 2, "flip": True}
    assert moved.describe().source == pictures.digest
    assert pickle.loads(pickle.dumps(moved)).describe() == moved.describe()
    assert a_training(moved).digest != a_training(pictures).digest
    assert "augment" not in DataParams().identity()
    assert DataParams(augment=Augment()).augment is None
    asked = Params().override({"data.augment": {"crop": 4}}).data
    assert asked.identity()["augment"] == {"crop": 4, "flip": False}


def test_a_folder_gives_it_and_finds_it_again(digits_folder: Path) -> None:
    folder = open_folder(DataParams(), digits_folder)
    for params in (
        DataParams(augment=BOTH),
        DataParams(augment=BOTH, normalize=(0.1, 0.3), holdout=7),
    ):
        dataset = folder.dataset(params, 2)
        assert folder.dataset(params, 2) is dataset
        assert folder.described(dataset.describe(), 2) is dataset
        there = pickle.loads(pickle.dumps(dataset))
        assert there.digest == dataset.digest and there.augment == BOTH
        assert dataset.train.images.dtype == np.uint8
    kept = [folder.dataset(DataParams(augment=Augment(crop=crop)), 1) for crop in (1, 2)]
    assert [one.augment for one in kept] == [Augment(crop=1), Augment(crop=2)]


def test_the_sparse_engine_refuses_it_and_auto_takes_torch(
    dataset: Dataset, make_training: Callable[..., Training]
) -> None:
    model = MLP((784, 10))
    assert engines.resolve(TrainParams(device="cpu"), model, BOTH).engine == "torch"
    assert engines.passed_over(TrainParams(device="cpu"), model) == ""
    with pytest.raises(ParamsError, match=r"it has no data\.augment, which is crop 2, flip"):
        engines.resolve(TrainParams(engine="sparse"), model, BOTH)
    with pytest.raises(ParamsError, match=r"it has no data\.augment"):
        engines.run(make_training(dataset=augmented(dataset, BOTH), engine="sparse"))


def test_the_command_says_why_auto_takes_torch(workspace: Path) -> None:
    words = ["prune", "--steps", "1", "--ratio", "0.5", "--rounds", "1", "--seed", "1"]
    said = "train.engine: auto passes over sparse: it has no data.augment, which is crop 1"
    assert said in lthctl(*words, "--set", "data.augment.crop=1").stderr.splitlines()
    assert "auto passes over" not in lthctl(*words, "--out", "others").stderr


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"crop": -1}, "greater than or equal to 0"),
        ({"flip": 3}, "a valid boolean"),
        ({"turn": 1}, "not a parameter; known here: crop, flip"),
        ("flip", "keys with values; known here: crop, flip"),
    ],
)
def test_what_is_no_augmentation_is_refused(value: object, said: str) -> None:
    with pytest.raises(ParamsError, match=said):
        Params().override({"data.augment": value})


def test_images_that_are_no_pictures_are_refused(pictures: Dataset) -> None:
    flat = Split(np.zeros((3, 785), np.uint8), np.zeros(3, np.int64))
    with pytest.raises(DataError, match=r"shape \(785,\), expected \(channels, height, width\)"):
        augmented(Dataset("flat", flat, flat), BOTH)
    with pytest.raises(DataError, match="crop is 5, expected less than the 5 pixels"):
        augmented(pictures, Augment(crop=5))


def test_runs_that_differ_in_it_are_never_averaged_together(tmp_path: Path) -> None:
    other = {**DATA, "augment": {"crop": 2, "flip": True}}
    report = report_of(
        tmp_path, make_run(L1_TICKET, 1, 0.75), make_run(L1_TICKET, 2, 0.5, data=other)
    )
    titles = [group.title for group in report.groups]
    assert len(titles) == 2
    assert sum("augmented (crop 2, flip)" in one for one in titles) == 1


def test_show_says_it() -> None:
    fixture = Path(__file__).parent / "fixtures/schema-3/augment"
    for place in ("masks/l1-r0.50-n1-s1", "runs/rewind/l1-r0.50-n1-s1"):
        shown = " ".join(lthctl("show", str(fixture / place)).stdout.split())
        assert "pixels normalized, augmented (crop 1, flip)" in shown


# ---- channels ----

PER_CHANNEL = ((0.4, 0.5, 0.6), (0.2, 0.3, 0.25))


def test_every_channel_has_its_own_mean_and_deviation(pictures: Dataset) -> None:
    moved = normalized(pictures, PER_CHANNEL)
    assert moved.train.images is pictures.train.images  # bytes stay bytes
    images, _, levels = on_device(moved.train, torch.device("cpu"))
    means, deviations = (np.array(part).reshape(3, 1, 1) for part in PER_CHANNEL)
    expected = ((pictures.train.images / 255 - means) / deviations).astype(np.float32)
    assert np.array_equal(as_input(images, levels).numpy(), expected)
    assert np.array_equal(np.concatenate(list(moved.train.numbers())), expected)


def test_per_channel_is_measured_on_the_training_images(pictures: Dataset) -> None:
    moved = normalized(pictures, "per-channel")
    numbers = np.concatenate(list(moved.train.numbers())).astype(np.float64)
    assert numbers.mean(axis=(0, 2, 3)) == pytest.approx([0, 0, 0], abs=1e-6)
    assert numbers.std(axis=(0, 2, 3)) == pytest.approx([1, 1, 1], abs=1e-6)
    assert moved.describe().to_json()["normalize"] == "per-channel"
    channel = Split(pictures.train.images[:, 1:2], pictures.train.labels)
    assert moments(channel) == pytest.approx(
        ((pictures.train.images[:, 1] / 255).mean(), (pictures.train.images[:, 1] / 255).std())
    )


@pytest.mark.parametrize("normalize", [(0.4, 0.2), "standard", PER_CHANNEL, "per-channel"])
def test_the_digest_is_that_of_the_numbers_however_they_are_kept(
    pictures: Dataset, normalize: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = normalized(pictures, normalize)  # type: ignore[arg-type]
    monkeypatch.setattr("lthctl.datasets.base.IMAGES_AT_A_TIME", 7)

    def in_full(split: Split) -> Split:
        return Split(np.concatenate(list(split.numbers())), split.labels)

    kept = Dataset("colours", in_full(moved.train), in_full(moved.validation))
    assert moved.train.levels is not None
    assert moved.digest == kept.digest != pictures.digest


def test_numbers_for_other_channels_are_refused(pictures: Dataset) -> None:
    with pytest.raises(DataError, match="numbers for 2 channels, and the images have 3"):
        normalized(pictures, ((0.4, 0.5), (0.2, 0.3)))


@pytest.mark.parametrize("value", [[[0.4, 0.5], [0.2]], [[0.4], [0.0]], [[], []], [["a"], [1]]])
def test_what_are_no_numbers_of_channels_is_refused(value: object) -> None:
    with pytest.raises(ParamsError, match="or per-channel, or a list of each"):
        Params().override({"data.normalize": value})


def test_both_engines_see_the_same_numbers(pictures: Dataset) -> None:
    moved = normalized(pictures, PER_CHANNEL)
    rows = {
        engine: engines.run(
            a_training(moved, params=SMALL.model_copy(update={"engine": engine}))
        ).history
        for engine in ("sparse", "torch")
    }
    for row, other in zip(*rows.values(), strict=True):
        assert row[1:3] == pytest.approx(other[1:3], rel=2e-5)


def test_parameters_of_channels_are_read_from_a_file(tmp_path: Path) -> None:
    asked = Params().override({"data.normalize": [[0.4, 0.5, 0.6], [0.2, 0.3, 0.25]]}).data
    assert asked.normalize == PER_CHANNEL
    assert json.loads(json.dumps(asked.identity()))["normalize"] == [
        [0.4, 0.5, 0.6],
        [0.2, 0.3, 0.25],
    ]
    assert dense_images.as_input(torch.zeros(1, dtype=torch.float32)).item() == 0
