"""Every dataset format, from tiny files made here: what is read, what is refused, and how it says
so."""

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from lthctl.canonical import sha256
from lthctl.datasets import cifar, decoded, emnist, kmnist, mnist, svhn
from lthctl.datasets.archives import members_of_tar, members_of_zip
from lthctl.datasets.base import Split
from lthctl.datasets.entry import DATASETS, open_folder
from lthctl.datasets.idx import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, idx_bytes
from lthctl.datasets.known_files import KnownFiles, sources_of
from lthctl.datasets.reference import _open_folder
from lthctl.errors import DataError
from lthctl.params import Augment, DataParams

RANDOM = np.random.default_rng(1)


def noise(*shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, shape).astype(np.uint8)


def classes(count: int, number: int = 10) -> np.ndarray:
    return (np.arange(count) % number).astype(np.uint8)


def put(files: KnownFiles, folder: Path, contents: dict[str, bytes]) -> KnownFiles:
    """Files in a folder, and a dataset that trusts these in the place of its own."""
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return replace(files, digests={name: sha256(part) for name, part in contents.items()})


def tar_of(members: dict[str, bytes], **attributes: Any) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, member in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(member)
            for key, value in attributes.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(member))
    return content.getvalue()


def zip_of(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()


def is_same(split: Split, images: np.ndarray, labels: np.ndarray) -> bool:
    return np.array_equal(split.images, images) and np.array_equal(split.labels, labels)


# ---- known files ----


def test_kmnist_is_read_from_the_very_files_that_are_served(tmp_path: Path) -> None:
    images, labels = noise(12, 28, 28), classes(12)
    parts = {
        TRAIN_IMAGES: images,
        TRAIN_LABELS: labels,
        TEST_IMAGES: images[:3],
        TEST_LABELS: labels[:3],
    }
    contents = {f"{name}.gz": gzip.compress(idx_bytes(part)) for name, part in parts.items()}
    files = put(kmnist.FILES, tmp_path, contents)
    whole = files.open(tmp_path).whole
    assert is_same(whole.train, images.reshape(12, 784), labels)
    assert is_same(whole.validation, images[:3].reshape(3, 784), labels[:3])
    assert files.download(tmp_path / "to", source=tmp_path) == dict.fromkeys(
        contents, str(tmp_path)
    )
    assert files.open(tmp_path / "to").whole.digest == whole.digest


def test_emnist_is_read_out_of_its_archive_and_stands_upright(tmp_path: Path) -> None:
    images, labels = noise(6, 28, 28), classes(6, 5)
    sideways = np.ascontiguousarray(images.transpose(0, 2, 1))
    members = {
        f"gzip/emnist-balanced-{part}-{kind}-ubyte.gz": gzip.compress(idx_bytes(array))
        for part, count in (("train", 6), ("test", 2))
        for kind, array in (("images-idx3", sideways[:count]), ("labels-idx1", labels[:count]))
    }
    files = put(emnist.FILES, tmp_path, {"gzip.zip": zip_of({**members, "gzip/other": b""})})
    whole = files.open(tmp_path).whole
    assert is_same(whole.train, images.reshape(6, 784), labels)
    assert len(whole.validation) == 2


def test_a_damaged_part_of_an_archive_is_refused(tmp_path: Path) -> None:
    """Its digest is right: somebody served it so."""
    packed = gzip.compress(idx_bytes(noise(2, 28, 28)))[:-9]
    names = [f"gzip/emnist-balanced-{part}-{kind}-ubyte.gz"
             for part in ("train", "test") for kind in ("images-idx3", "labels-idx1")]  # fmt: skip
    archive = zip_of(dict.fromkeys(names, packed))
    with pytest.raises(DataError, match=r"archive: is no whole gzip archive \(EOFError"):
        put(emnist.FILES, tmp_path, {"gzip.zip": archive}).open(tmp_path)
    contents = {name: packed[: -1 - n] for n, name in enumerate(kmnist.FILES.digests)}
    with pytest.raises(DataError, match=r"archive: is no whole gzip archive \(EOFError"):
        put(kmnist.FILES, tmp_path, contents).open(tmp_path)


def test_names_in_an_archive_may_be_as_long_as_they_like(tmp_path: Path) -> None:
    """The message stays short. A fuzzer found it."""
    content = zip_of({"x" * 60_000: b""})
    wrong = content.replace(b"x" * 60_000, b"/" + b"x" * 59_999)
    torn = content.replace(b"x" * 60_000, b"y" * 60_000, 1)
    for archive, names in ((wrong, ["a"]), (torn, ["x" * 60_000])):
        with pytest.raises(DataError) as error:
            members_of_zip(archive, names, limit=100)
        assert len(str(error.value)) < 1000
    with pytest.raises(DataError) as error:
        members_of_tar(tar_of({"../" + "x" * 60_000: b""}), ["a"], limit=100)
    assert len(str(error.value)) < 1000


def records(images: np.ndarray, *labels: np.ndarray) -> bytes:
    flat = images.reshape(len(images), -1)
    return np.concatenate([*(label[:, None] for label in labels), flat], axis=1).tobytes()


def test_cifar_10_is_read_from_its_binary_archive(tmp_path: Path) -> None:
    images, labels = noise(12, 3, 32, 32), classes(12)
    members = {
        f"cifar-10-batches-bin/data_batch_{n + 1}.bin": records(
            images[2 * n : 2 * n + 2], labels[2 * n : 2 * n + 2]
        )
        for n in range(5)
    }
    members["cifar-10-batches-bin/test_batch.bin"] = records(images[10:], labels[10:])
    files = put(cifar.CIFAR_10_FILES, tmp_path, {"cifar-10-binary.tar.gz": tar_of(members)})
    whole = files.open(tmp_path).whole
    assert is_same(whole.train, images[:10], labels[:10])
    assert is_same(whole.validation, images[10:], labels[10:])
    assert whole.train.images.flags.writeable


def test_cifar_100_has_the_fine_labels(tmp_path: Path) -> None:
    images, fine = noise(4, 3, 32, 32), classes(4)
    coarse = np.full(4, 19, np.uint8)
    members = {
        "cifar-100-binary/train.bin": records(images, coarse, fine),
        "cifar-100-binary/test.bin": records(images[:1], coarse[:1], fine[:1]),
    }
    files = put(cifar.CIFAR_100_FILES, tmp_path, {"cifar-100-binary.tar.gz": tar_of(members)})
    assert is_same(files.open(tmp_path).whole.train, images, fine)
    cut = {**members, "cifar-100-binary/test.bin": members["cifar-100-binary/test.bin"][:-1]}
    files = put(cifar.CIFAR_100_FILES, tmp_path, {"cifar-100-binary.tar.gz": tar_of(cut)})
    with pytest.raises(
        DataError, match="has 3073 bytes, expected records of 3074: it is truncated"
    ):
        files.open(tmp_path)


def test_svhn_is_read_from_its_files_and_0_is_0(tmp_path: Path) -> None:
    images, labels = noise(5, 3, 32, 32), np.array([10, 1, 9, 10, 2], np.uint8)

    def mat(count: int) -> bytes:
        content = io.BytesIO()
        savemat(content, {"X": images[:count].transpose(2, 3, 1, 0), "y": labels[:count, None]})
        return content.getvalue()

    files = put(svhn.FILES, tmp_path, {svhn.TRAIN: mat(5), svhn.TEST: mat(2)})
    whole = files.open(tmp_path).whole
    assert is_same(whole.train, images, np.array([0, 1, 9, 0, 2]))
    assert len(whole.validation) == 2
    files = put(svhn.FILES, tmp_path, {svhn.TRAIN: b"no such file", svhn.TEST: mat(2)})
    with pytest.raises(DataError, match="is no file of MATLAB's with X and y"):
        files.open(tmp_path)


KNOWN = [
    mnist.FILES,
    kmnist.FILES,
    emnist.FILES,
    cifar.CIFAR_10_FILES,
    cifar.CIFAR_100_FILES,
    svhn.FILES,
]


@pytest.mark.parametrize("files", KNOWN, ids=lambda files: files.name)
def test_half_downloaded_and_altered_files_are_refused_and_fetched(
    files: KnownFiles, tmp_path: Path
) -> None:
    """A file of the right name is judged by what is in it."""
    assert DATASETS.get(files.name).folder == Path("data", files.name)
    assert all(len(digest) == 64 for digest in files.digests.values())
    name = next(iter(files.digests))
    for content in (b"", b"\x1f\x8b half of it"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError) as refusal:
            files.open(tmp_path)
        assert str(tmp_path / name) in str(refusal.value)
        assert f"`lthctl download {files.name} --out " in str(refusal.value)
    with pytest.raises(DataError, match="could not be fetched"):
        files.download(tmp_path, source=tmp_path)
    if files is not mnist.FILES:
        assert all(one.label.startswith("https://") for one in sources_of(files, None))


# ---- archives ----


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "a/../../evil", "C:\\evil", "a\\..\\..\\evil"]
)
@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_paths_that_lead_outside_of_an_archive_are_refused(
    name: str, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    members = members_of_tar if pack is tar_of else members_of_zip
    with pytest.raises(DataError, match=r"leads outside of the archive's folder"):
        members(pack({"a": b"1", name: b"2"}), ["a"], limit=10)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_links_and_devices_in_an_archive_are_refused(kind: bytes) -> None:
    with pytest.raises(DataError, match="'a' is a link or a device"):
        members_of_tar(tar_of({"a": b""}, type=kind, linkname="/etc/passwd"), ["a"], limit=10)


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_what_is_wanted_of_an_archive_is_there_and_not_too_long(
    pack: Callable[[dict[str, bytes]], bytes],
) -> None:
    members = members_of_tar if pack is tar_of else members_of_zip
    content = pack({"a": b"12", "b": bytes(100)})
    assert members(content, ["a"], limit=10) == {"a": b"12"}
    with pytest.raises(DataError, match="'b' has 100 bytes, expected at most 10"):
        members(content, ["b"], limit=10)
    with pytest.raises(DataError, match="has no c; fetch it again"):
        members(content, ["a", "c"], limit=10)
    with pytest.raises(DataError, match=r"is no whole (tar|zip) archive"):
        members(content[: len(content) // 2], ["a", "b"], limit=1000)


# ---- folders of images ----


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def save(place: Path, pixels: np.ndarray, **how: Any) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(place, **how)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes, 6 x 4 pixels."""
    folder = tmp_path / "photos"
    for part, count in (("train", 3), ("test", 1)):
        for name in ("cat", "dog"):
            for number in range(count):
                save(folder / part / name / f"{number}.png", noise(4, 6, 3))
    return folder


def opened(folder: Path) -> Any:
    return open_folder(DataParams(name="folder"), folder).whole  # type: ignore[attr-defined]


def test_a_folder_of_images_is_read(photos: Path) -> None:
    (photos / "train" / ".DS_Store").write_bytes(b"hidden")
    (photos / "train" / "cat" / "Thumbs.db").write_bytes(b"litter")
    whole = opened(photos)
    assert (whole.train.images.shape, whole.train.images.dtype) == ((6, 3, 4, 6), np.uint8)
    assert whole.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert whole.validation.labels.tolist() == [0, 1]
    with Image.open(photos / "train" / "dog" / "1.png") as image:
        assert np.array_equal(whole.train.images[4], np.asarray(image).transpose(2, 0, 1))
    assert whole.train.images.flags.writeable and whole.train.images.flags.c_contiguous


def test_gray_and_colour_and_palettes(photos: Path) -> None:
    save(photos / "train" / "cat" / "0.png", noise(4, 6))
    assert opened(photos).train.images.shape == (6, 3, 4, 6)
    for path in photos.rglob("*.png"):
        with Image.open(path) as image:
            gray = image.convert("L")
        gray.save(path)
    assert opened(photos).train.images.shape == (6, 1, 4, 6)
    with Image.open(path) as image:
        image.convert("P").save(path)
    assert opened(photos).train.images.shape == (6, 3, 4, 6)


def test_the_digest_is_of_the_pixels_and_not_of_the_files(photos: Path, tmp_path: Path) -> None:
    before = opened(photos).digest
    for path in photos.rglob("*.png"):
        with Image.open(path) as image:
            pixels = np.asarray(image)
        path.unlink()
        save(path.with_suffix(".bmp"), pixels)
    assert opened(photos).digest == before
    (photos / "train" / "cat").rename(photos / "train" / "eel")
    (photos / "test" / "cat").rename(photos / "test" / "eel")
    assert opened(photos).digest != before


def test_a_second_reading_decodes_nothing_unless_a_file_has_changed(
    photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = opened(photos)
    opens: list[object] = []
    original = Image.open

    def counted(*given: Any, **more: Any) -> Image.Image:
        opens.append(given)
        return original(*given, **more)

    monkeypatch.setattr(Image, "open", counted)
    again = opened(photos)
    assert opens == [] and again.digest == first.digest
    assert again.train.images.flags.writeable
    save(photos / "train" / "cat" / "0.png", noise(4, 6, 3))
    assert opened(photos).digest != first.digest and len(opens) == 8
    (kept,) = (tmp_path / "cache" / "lthctl").iterdir()
    for damage in (
        lambda old: old[:-1],
        lambda old: old[:-1] + bytes([old[-1] ^ 1]),
        lambda _: b"",
    ):
        kept.write_bytes(damage(kept.read_bytes()))
        opens.clear()
        assert opened(photos).digest != first.digest and len(opens) == 8


def test_where_no_cache_can_be_kept_it_is_read_anyway(
    photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("in the way")
    assert len(opened(photos).train) == 6
    monkeypatch.setattr(decoded, "_cache", lambda: None)
    assert len(opened(photos).train) == 6


def test_other_processes_open_it_again_by_its_name(photos: Path, tmp_path: Path) -> None:
    """Neither images nor arrays travel."""
    np.savez(
        tmp_path / "mine.npz",
        **arrays(train_images=noise(6, 3, 64, 64), test_images=noise(4, 3, 64, 64)),
    )
    for name, place in (("folder", photos), ("npz", tmp_path / "mine.npz")):
        params = DataParams(name=name, normalize="per-channel", augment=Augment(flip=True))
        dataset = open_folder(params, place).dataset(params, 1)
        content = pickle.dumps(dataset)
        assert len(content) < 2000
        there = pickle.loads(content)
        assert there.digest == dataset.digest and there.describe() == dataset.describe()
    save(photos / "train" / "cat" / "0.png", noise(4, 6, 3))
    _open_folder.cache_clear()
    params = DataParams(name="folder")
    content = pickle.dumps(open_folder(params, photos).dataset(params, 1))
    save(photos / "train" / "cat" / "0.png", noise(4, 6, 3))
    _open_folder.cache_clear()
    with pytest.raises(
        DataError, match="it was changed meanwhile: restore it, or run the command again"
    ):
        pickle.loads(content)


def cut_jpeg(folder: Path) -> None:
    place = folder / "train" / "cat" / "9.jpg"
    save(place, noise(64, 64, 3))
    place.write_bytes(place.read_bytes()[:-500])


def add(name: str, content: bytes | np.ndarray) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        if isinstance(content, bytes):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
        else:
            save(folder / name, content)

    return change


def emptied(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for path in (folder / name).iterdir():
            path.unlink()

    return change


def removed(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).rename(folder / "aside")

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (emptied("train/dog"), r"train/dog: is a class with no image; add some, or remove"),
        (emptied("test/dog"), r"test/dog: is a class with no image"),
        (add("test/emu/0.png", noise(4, 6, 3)), r"test/ has classes that train/ has not: emu; add images"),
        (removed("train/dog"), r"train/ holds 1 folders of images, expected one for each of two or more"),
        (removed("test"), r"test: cannot be read \(No such file or directory\); expected a folder"),
        (add("train/notes.txt", b"mine"), r"train/notes.txt: cannot be read \(Not a directory\)"),
        (add("train/cat/9.png", noise(6, 4, 3)), r"cat/9.png: is an image of 4 x 6 pixels, and .*/cat/0.png of 6 x 4; make all of one size"),
        (add("train/cat/9.png", noise(1, 1025, 3)), r"1025 x 1 pixels, expected at most 1024 x 1024"),
        (add("train/cat/9.png", noise(4, 6).astype(np.uint16)), r"Pillow's mode I;16, expected 8 bits"),
        (cut_jpeg, r"9.jpg: cannot be read as an image \(OSError: .*truncated"),
        (add("train/cat/9.png", b"not an image"), r"9.png: is no image that Pillow knows; mend it, or move it away$"),
        (add("train/cat/9.png", b"\x89PNG\r\n\x1a\n\0\0"), r"9.png: is no image that Pillow knows"),
        # Pillow would give it to a program that runs what is in it.
        (add("train/cat/9.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"),
         r"9.png: is no image that Pillow knows"),
    ],
)  # fmt: skip
def test_a_folder_that_is_no_dataset_is_refused(
    photos: Path, change: Callable[[Path], None], said: str
) -> None:
    change(photos)
    with pytest.raises(DataError, match=said):
        opened(photos)


# ---- arrays ----


def arrays(**changes: object) -> dict[str, Any]:
    given: dict[str, Any] = {
        "train_images": noise(6, 3, 4, 4), "train_labels": classes(6, 3),
        "test_images": noise(4, 3, 4, 4), "test_labels": classes(4, 3).astype(np.int32),
    } | changes  # fmt: skip
    return {name: array for name, array in given.items() if array is not None}


def npz(folder: Path, **given: Any) -> Any:
    folder.mkdir(exist_ok=True)
    np.savez(folder / "mine.npz", **given)
    return open_folder(DataParams(name="npz"), folder).whole  # type: ignore[attr-defined]


def test_named_arrays_are_read_from_a_file_or_a_folder(tmp_path: Path) -> None:
    given = arrays()
    whole = npz(tmp_path / "a", **given)
    assert is_same(whole.train, given["train_images"], given["train_labels"])
    assert is_same(whole.validation, given["test_images"], given["test_labels"])
    by_file = open_folder(DataParams(name="npz"), tmp_path / "a" / "mine.npz")
    assert by_file.dataset(DataParams(), 1).digest == whole.digest
    keras = dict(zip(("x_train", "y_train", "x_test", "y_test"), given.values(), strict=True))
    assert npz(tmp_path / "b", **keras).digest == whole.digest


def test_gray_arrays_get_a_channel_and_floats_stay(tmp_path: Path) -> None:
    gray = npz(tmp_path / "a", **arrays(train_images=noise(6, 4, 4), test_images=noise(4, 4, 4)))
    assert gray.train.images.shape == (6, 1, 4, 4)
    floats = RANDOM.random((6, 5)).astype(">f4")
    both = npz(tmp_path / "b", **arrays(train_images=floats, test_images=floats[:4]))
    assert both.train.images.dtype == np.float32 and np.array_equal(both.train.images, floats)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train_images": np.array([{}] * 6, object)}, r"holds objects, expected an \.npz file with arrays of numbers"),
        ({"train_labels": np.array(["a"] * 6, object)}, r"holds objects"),
        ({"test_labels": None}, r"has the arrays train_images, train_labels, test_images, expected test_images and test_labels"),
        ({"train_images": RANDOM.random((6, 3, 4, 4))}, r"train_images is float64, expected uint8, or float32"),
        ({"train_images": noise(6)}, r"train_images has the shape \(6,\), expected \(n, inputs\)"),
        ({"train_images": noise(6, 32, 32, 3)}, r"with the channels at the end, expected \(n, channels"),
        ({"train_labels": np.zeros(6)}, r"train_labels is float64, expected whole numbers"),
        ({"train_labels": classes(5, 3)}, r"images \(6, 3, 4, 4\) and labels \(5,\) do not go together"),
        ({"test_images": noise(4, 3, 4, 5)}, r"uint8 of shape \(3, 4, 4\), test images uint8 of shape \(3, 4, 5\)"),
        ({"test_labels": np.array([0, 1, 2, 3])}, r"test images have labels up to 3, training images up to 2"),
        ({"train_labels": np.array([0, 2] * 3)}, r"class 1 has no training image, and there are labels up to 2"),
        ({"train_labels": np.array([-1, 0, 1] * 2)}, r"the lowest label is -1"),
    ],
)  # fmt: skip
def test_arrays_that_are_no_dataset_are_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        npz(tmp_path / "a", **arrays(**changes))


def test_files_that_are_no_arrays_are_refused(tmp_path: Path) -> None:
    for content, said in (
        (b"", "cannot be read"),
        (b"PK\3\4", "cannot be read"),
        (struct.pack("4s100x", b"PK\5\6"), r"has the arrays \(none\)"),
        (b"\x80\x04.", "holds objects"),
    ):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(DataError, match=rf"a\.npz: ({said})"):
            open_folder(DataParams(name="npz"), tmp_path / "a.npz")
    (tmp_path / "a.npz").write_bytes(zip_of(dict.fromkeys(arrays(), b"no array")))
    with pytest.raises(DataError, match=r"train_images is no array of NumPy's"):
        open_folder(DataParams(name="npz"), tmp_path / "a.npz")
    np.save(tmp_path / "one.npy", noise(3))
    with pytest.raises(DataError, match="holds one array, expected several with names"):
        open_folder(DataParams(name="npz"), tmp_path / "one.npy")
    (tmp_path / "b.npz").write_bytes(b"")
    with pytest.raises(DataError, match=r"holds 2 \.npz files, expected one; name the file"):
        open_folder(DataParams(name="npz"), tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        open_folder(DataParams(name="npz"), tmp_path / "none.npz")
