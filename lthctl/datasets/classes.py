"""What classes have to be: each with images to train on, and those of the test among them."""

from collections.abc import Sequence

import numpy as np

from lthctl.datasets.base import Labels
from lthctl.errors import DataError


def check_labels(train: Labels, test: Labels, where: str) -> None:
    """Refuse labels that are no classes.

    Args:
      train: labels of the training images.
      test: labels of the test images.
      where: what they were read from, for the message.

    Raises:
      DataError: a label is negative, a class below the highest label has no training image, or a
        test image is of a class that no training image has.
    """
    if min(train.min(), test.min()) < 0:
        raise DataError(
            f"{where}: the lowest label is {min(train.min(), test.min())}, expected labels from 0"
        )
    known = np.unique(train)
    if len(known) != train.max() + 1:
        gap = next(label for label, there in enumerate(known.tolist()) if label != there)
        raise DataError(
            f"{where}: class {gap} has no training image, and there are labels up to "
            f"{train.max()}; number the classes from 0 without gaps"
        )
    if test.max() > train.max():
        raise DataError(
            f"{where}: test images have labels up to {test.max()}, training images up to "
            f"{train.max()}; remove them, or train on them too"
        )


def check_names(train: Sequence[str], test: Sequence[str], where: str) -> None:
    """Refuse test classes that nothing is trained on.

    Args:
      train, test: names of the classes.
      where: the folder that they are in, for the message.

    Raises:
      DataError: there is such a class, or less than two to train on.
    """
    if len(train) < 2:
        raise DataError(
            f"{where}: train/ holds {len(train)} folders of images, expected one for each of two "
            "or more classes"
        )
    unknown = [name for name in test if name not in train]
    if unknown:
        raise DataError(
            f"{where}: test/ has classes that train/ has not: {', '.join(unknown[:5])}; add images "
            "of them to train/, or remove them"
        )
