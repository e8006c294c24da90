"""Training images held out for validation, chosen by seed."""

from dataclasses import replace

import numpy as np

from lthctl.datasets.base import Dataset
from lthctl.datasets.reference import DatasetReference
from lthctl.errors import DataError
from lthctl.seeding import Stream


def hold_out(dataset: Dataset, count: int, seed: int, reference: DatasetReference) -> Dataset:
    """A dataset whose validation images are training images held out; those before become test
    images.

    Args:
      dataset: without test images. Not modified.
      count: images to hold out; with 0 the dataset stays as it is.
      seed: of the choice.
      reference: of the result.

    Raises:
      DataError: there are test images already, or no training images would be left.
    """
    if count == 0:
        return replace(dataset, reference=reference)
    if dataset.test is not None:
        raise DataError(
            f"data.holdout: is {count}, but {dataset.name} has test images of its own; expected 0"
        )
    train = dataset.train
    if count >= len(train):
        raise DataError(
            f"data.holdout: is {count}, expected less than the {len(train)} training images"
        )
    order = Stream(seed, "split").permutation(len(train))
    held, kept = np.sort(order[:count]), np.sort(order[count:])
    return Dataset(
        dataset.name,
        train.take(kept),
        train.take(held),
        dataset.validation,
        source=dataset.digest,
        reference=reference,
    )
