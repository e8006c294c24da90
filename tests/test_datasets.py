"""Datasets: verified, split by seed, batched in full, fetched from the first source that has the
right bytes."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthctl.datasets import idx, mnist
from lthctl.datasets.base import Dataset, Split
from lthctl.datasets.idx import idx_bytes
from lthctl.datasets.mnist import (
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    load_mnist,
)
from lthctl.errors import DataError
from lthctl.params import DataParams

MnistFolder = mnist.FILES.open


NAMES = [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS]


def split(count: int, value: int = 0) -> Split:
    return Split(np.full((count, 4), value, np.uint8), np.zeros(count, np.int64))


# ---- splits and datasets ----


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (np.zeros((2, 4), np.uint8), np.zeros(3, np.int64), "images (2, 4) and labels (3,) do not go together; give one label for each image"),
        (np.zeros(2, np.uint8), np.zeros(2, np.int64), "images (2,) and labels (2,) do not go together; give one label for each image"),
        (np.zeros((2, 4), np.uint8), np.zeros((2, 1), np.int64), "images (2, 4) and labels (2, 1) do not go together; give one label for each image"),
        (np.zeros((2, 4), np.float64), np.zeros(2, np.int64),
         "images are float64, labels int64; expected uint8 or float32, and int64"),
        (np.zeros((2, 4), np.uint8), np.zeros(2, np.uint8),
         "images are uint8, labels uint8; expected uint8 or float32, and int64"),
        (np.zeros((0, 4), np.uint8), np.zeros(0, np.int64), "a split has no images, expected at least one"),
        (np.zeros((2, 3, 0), np.uint8), np.zeros(2, np.int64), "images of shape (3, 0) have no pixels"),
    ],
)  # fmt: skip
def test_split_refuses(images: np.ndarray, labels: np.ndarray, said: str) -> None:
    with pytest.raises(DataError) as refusal:
        Split(images, labels)
    assert str(refusal.value) == f"dataset: {said}"


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_split_of_either_kind_of_images(dtype: type) -> None:
    assert len(Split(np.zeros((3, 1, 28, 28), dtype), np.zeros(3, np.int64))) == 3


def test_digest_sees_every_array_and_not_the_name() -> None:
    variants = [
        Dataset("a", split(3), split(2)),
        Dataset("a", split(3, 1), split(2)),
        Dataset("a", split(3), split(2, 1)),
        Dataset("a", split(2), split(3)),
        Dataset("a", split(3), split(2), split(1)),
        Dataset("a", split(3), split(2), split(1, 1)),
        Dataset("a", Split(split(3).images, np.array([0, 0, 1])), split(2)),
        Dataset("a", split(3), Split(split(2).images, np.array([0, 1]))),
    ]
    assert len({dataset.digest for dataset in variants}) == len(variants)
    assert Dataset("b", split(3), split(2), source="x").digest == variants[0].digest


def test_describe() -> None:
    dataset = Dataset("mine", split(3), split(2))
    assert dataset.describe().to_json() == {
        "name": "mine",
        "digest": dataset.digest,
        "source": dataset.digest,
        "train": 3,
        "validation": 2,
        "test": 0,
    }
    assert Dataset("mine", split(3), split(2), split(1), source="whole").describe().to_json() == {
        "name": "mine",
        "digest": Dataset("mine", split(3), split(2), split(1)).digest,
        "source": "whole",
        "train": 3,
        "validation": 2,
        "test": 1,
    }


# ---- MNIST in a folder ----


def test_mnist_folder(digits_folder: Path, dataset: Dataset) -> None:
    """The fixture `dataset` holds the same digits without a folder."""
    mnist = MnistFolder(digits_folder)
    for found, expected, count in (
        (mnist.whole.train, dataset.train, 600),
        (mnist.whole.validation, dataset.validation, 203),
    ):
        assert (found.images.shape, found.images.dtype) == ((count, 784), np.uint8)
        assert (found.labels.shape, found.labels.dtype) == ((count,), np.int64)
        assert np.array_equal(found.images, expected.images)
        assert np.array_equal(found.labels, expected.labels)


def test_without_holdout_the_test_images_validate(digits_folder: Path) -> None:
    mnist = MnistFolder(digits_folder)
    dataset = mnist.dataset(DataParams(), seed=1)
    assert dataset.train is mnist.whole.train
    assert dataset.validation is mnist.whole.validation
    assert dataset.test is None
    assert dataset is mnist.dataset(DataParams(), seed=2)


def test_missing_and_altered_files_are_all_named(digits_folder: Path) -> None:
    (digits_folder / TRAIN_LABELS).unlink()
    (digits_folder / TEST_IMAGES).unlink()
    (digits_folder / TEST_IMAGES).mkdir()
    (digits_folder / TEST_LABELS).write_bytes(b"")
    with pytest.raises(DataError) as refusal:
        MnistFolder(digits_folder)
    assert str(refusal.value) == (
        f"{digits_folder / TRAIN_LABELS} is missing; {digits_folder / TEST_IMAGES} is missing; "
        f"{digits_folder / TEST_LABELS} has SHA-256 e3b0c44298fc..., MNIST's has {mnist.MNIST[TEST_LABELS][:12]}...; "
        f"run `lthctl download mnist --out {digits_folder}`, which fetches what is missing or altered"
    )


@pytest.mark.parametrize("name", NAMES)
def test_one_flipped_bit_is_seen(digits_folder: Path, name: str) -> None:
    content = bytearray((digits_folder / name).read_bytes())
    content[-1] ^= 1
    (digits_folder / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name} has SHA-256"):
        MnistFolder(digits_folder)


def rows(*splits: Split) -> list[bytes]:
    """Images with their labels, in no order."""
    return sorted(
        image.tobytes() + bytes([label])
        for part in splits
        for image, label in zip(part.images, part.labels, strict=True)
    )


def test_holdout_is_disjoint_and_the_test_split_apart(digits_folder: Path) -> None:
    mnist = MnistFolder(digits_folder)
    dataset = mnist.dataset(DataParams(holdout=100), seed=1)
    assert (len(dataset.train), len(dataset.validation)) == (500, 100)
    assert rows(dataset.train, dataset.validation) == rows(
        mnist.whole.train
    )  # all are different images
    assert len(set(rows(mnist.whole.train))) == 600
    assert dataset.test is mnist.whole.validation
    assert dataset.describe().source == mnist.dataset(DataParams(), seed=1).digest


def test_holdout_is_chosen_by_seed(digits_folder: Path) -> None:
    mnist = MnistFolder(digits_folder)
    first = mnist.dataset(DataParams(holdout=100), seed=1)
    again = MnistFolder(digits_folder).dataset(DataParams(holdout=100), seed=1)
    other = mnist.dataset(DataParams(holdout=100), seed=2)
    assert first.digest == again.digest
    assert first.digest != other.digest
    assert first.describe().source == other.describe().source
    assert rows(first.validation) != rows(other.validation)
    assert (
        3 < len(set(rows(first.validation)) & set(rows(other.validation))) < 40
    )  # 100 / 6 by chance
    assert rows(first.validation) != rows(
        Split(mnist.whole.train.images[:100], mnist.whole.train.labels[:100])
    )


@pytest.mark.parametrize("holdout", [600, 601])
def test_holdout_of_everything_is_refused(digits_folder: Path, holdout: int) -> None:
    with pytest.raises(DataError) as refusal:
        load_mnist(digits_folder, holdout=holdout)
    assert (
        str(refusal.value)
        == f"data.holdout: is {holdout}, expected less than the 600 training images"
    )
    assert len(load_mnist(digits_folder, holdout=599).train) == 1


def test_load_mnist(digits_folder: Path) -> None:
    assert (
        load_mnist(str(digits_folder)).digest
        == MnistFolder(digits_folder).dataset(DataParams(), 1).digest
    )
    held = MnistFolder(digits_folder).dataset(DataParams(holdout=50), 3)
    assert load_mnist(digits_folder, holdout=50, seed=3).digest == held.digest


# ---- IDX ----


def test_idx_bytes() -> None:
    assert idx_bytes(np.array([[1, 2, 3], [4, 5, 6]], np.uint8)) == (
        b"\x00\x00\x08\x02\x00\x00\x00\x02\x00\x00\x00\x03\x01\x02\x03\x04\x05\x06"
    )


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 20), st.integers(1, 5), st.integers(1, 5))
def test_idx_round_trip(count: int, height: int, width: int) -> None:
    images = np.arange(count * height * width).astype(np.uint8).reshape(count, height, width)
    read = idx.idx_images(idx_bytes(images))
    assert np.array_equal(read, images.reshape(count, -1))
    assert read.flags.writeable  # torch warns of arrays that are not
    labels = np.arange(count, dtype=np.uint8)
    assert idx.idx_labels(idx_bytes(labels)).tolist() == list(range(count))
