"""A dataset that was read from a folder, as every seed sees it: split, normalized, and made once
while it is in use."""

from pathlib import Path
from weakref import WeakValueDictionary

from lthctl.datasets.augmenting import augmented
from lthctl.datasets.base import DataDescription, Dataset
from lthctl.datasets.holdout import hold_out
from lthctl.datasets.normalizing import normalized
from lthctl.datasets.reference import DatasetReference
from lthctl.parameter_types import Normalize
from lthctl.params import Augment, DataParams

Key = tuple[int, int, Normalize, Augment | None]
"""Images held out, the seed that chose them, and how they are normalized and augmented."""


class OpenedFolder:
    """A folder that was read; see `DatasetFolder`."""

    def __init__(self, family: str, folder: Path, whole: Dataset) -> None:
        """What was read.

        Args:
          family: the name of the dataset in its family, such as "mnist".
          folder: where it was read from.
          whole: nothing is held out; its test images, if no others validate, are to validate.
        """
        self._family, self._folder = family, folder.absolute()
        reference = DatasetReference(family, self._folder, DataParams(name=family), seed=0)
        self.whole = hold_out(whole, 0, 0, reference)
        self._in_use: WeakValueDictionary[Key, Dataset] = WeakValueDictionary()

    def dataset(self, params: DataParams, seed: int) -> Dataset:
        """The dataset of one seed.

        Args:
          params: with `holdout` 0 the result is one and the same object for all seeds; else one
            that is in use is not made twice.
          seed: decides which training images are held out.

        Raises:
          DataError: `holdout` leaves no training images, or there are test images already.
        """
        if params.holdout == 0 and params.normalize is None and params.augment is None:
            return self.whole
        key = (params.holdout, seed if params.holdout else 0, params.normalize, params.augment)
        if (dataset := self._in_use.get(key)) is None:
            reference = DatasetReference(self._family, self._folder, params, seed)
            held_out = hold_out(self.whole, params.holdout, seed, reference)
            keep_bytes = params.augment is not None
            moved = normalized(held_out, params.normalize, keep_bytes=keep_bytes)
            dataset = augmented(moved, params.augment)
            self._in_use[key] = dataset
        return dataset

    def described(self, description: DataDescription, seed: int) -> Dataset:
        """The dataset of a seed that `Dataset.describe` described, as far as holding images out can
        make it."""
        held_out = bool(description.test) and self.whole.test is None
        holdout = description.validation if held_out else 0
        normalize, augment = description.normalize, description.augment
        return self.dataset(DataParams(holdout=holdout, normalize=normalize, augment=augment), seed)
