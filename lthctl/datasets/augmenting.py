"""Images that are changed at random in each batch: cut out of a black border, and mirrored.

The images of a dataset stay as they are. `lthctl.training.augmentation` draws what happens to
those of a step, and an engine does it.
"""

import math
from dataclasses import replace

from lthctl.datasets.base import Dataset, Images
from lthctl.errors import DataError
from lthctl.params import Augment


def augmented(dataset: Dataset, augment: Augment | None) -> Dataset:
    """A dataset whose training images are changed in each batch.

    Args:
      dataset: not modified.
      augment: how; None for not at all.

    Raises:
      DataError: its images are no pictures with a height and a width, or smaller than the border.
    """
    if augment is None:
        return dataset
    _, height, width = picture_shape(dataset.train.images)
    if augment.crop >= min(height, width):
        raise DataError(
            f"data.augment: crop is {augment.crop}, expected less than the {min(height, width)} "
            "pixels of an image's shorter side"
        )
    return replace(dataset, source=dataset.source or dataset.digest, augment=augment)


def picture_shape(images: Images) -> tuple[int, int, int]:
    """Channels, height and width of images; those of one axis are square and gray.

    Raises:
      DataError: they are no pictures.
    """
    shape = images.shape[1:]
    if len(shape) == 3:
        return shape[0], shape[1], shape[2]
    side = math.isqrt(shape[0])
    if len(shape) == 1 and side * side == shape[0]:
        return 1, side, side
    raise DataError(
        f"data.augment: images have the shape {shape}, expected (channels, height, width), or the "
        "pixels of a gray square; leave it out, or give images of such a shape"
    )
