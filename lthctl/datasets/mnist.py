"""MNIST, trusted by the SHA-256 of its four uncompressed IDX files and by nothing else."""

from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from lthctl.datasets.base import DataDescription, Dataset, Split
from lthctl.datasets.candidates import Candidates
from lthctl.datasets.entry import DatasetEntry, Key
from lthctl.datasets.holdout import hold_out
from lthctl.datasets.idx import idx_images, idx_labels
from lthctl.datasets.normalizing import normalized
from lthctl.datasets.reference import DatasetReference
from lthctl.errors import DataError
from lthctl.params import DataParams

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


class MnistFolder:
    """MNIST as read from a folder: the same for every seed unless images are held out."""

    def __init__(self, folder: Path) -> None:
        """Read and verify the four files in `folder`, plain or packed, whatever they are called.

        Raises:
          DataError: files are missing or altered; all are named.
        """
        faults, contents = [], {}
        candidates = Candidates(folder, MNIST, limit=MNIST_LIMIT)
        for name in MNIST:
            try:
                contents[name] = candidates.content(name)
            except DataError as error:
                faults.append(str(error))
        if faults:
            raise DataError(
                f"{'; '.join(faults)}; run `lthctl download --out {folder}`, which fetches what is "
                "missing or altered"
            )
        self.train = Split(idx_images(contents[TRAIN_IMAGES]), idx_labels(contents[TRAIN_LABELS]))
        self.test = Split(idx_images(contents[TEST_IMAGES]), idx_labels(contents[TEST_LABELS]))
        self._folder = folder.absolute()
        self._without_holdout = Dataset(
            "mnist", self.train, self.test, reference=self._reference(DataParams(), seed=0)
        )
        self._in_use: WeakValueDictionary[Key, Dataset] = WeakValueDictionary()

    def dataset(self, params: DataParams, seed: int) -> Dataset:
        """The dataset of one seed.

        Args:
          params: with `holdout` 0 the test images are the validation set and the result is one and
            the same object for all seeds; else one that is in use is not made twice.
          seed: decides which training images are held out.

        Raises:
          DataError: `holdout` leaves no training images.
        """
        if params.holdout == 0 and params.normalize is None:
            return self._without_holdout
        key = (params.holdout, seed if params.holdout else 0, params.normalize)
        if (dataset := self._in_use.get(key)) is None:
            reference = self._reference(params, seed)
            held_out = hold_out(self._without_holdout, params.holdout, seed, reference)
            dataset = normalized(held_out, params.normalize)
            self._in_use[key] = dataset
        return dataset

    def _reference(self, params: DataParams, seed: int) -> DatasetReference:
        return DatasetReference("mnist", self._folder, params, seed)

    def described(self, description: DataDescription, seed: int) -> Dataset:
        """The dataset of a seed that `Dataset.describe` described, as far as holding images out can
        make it."""
        holdout = description.validation if description.test else 0
        return self.dataset(DataParams(holdout=holdout, normalize=description.normalize), seed)


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
    return MnistFolder(Path(folder)).dataset(DataParams(holdout=holdout), seed)


def _download(out: Path, **how: Any) -> dict[str, str]:
    from lthctl.datasets.download import download

    return download(out, **how)


ENTRY = DatasetEntry(MnistFolder, Path("data", "mnist"), _download)
