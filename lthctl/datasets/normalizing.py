"""Pixels moved and scaled: (pixel - mean) / standard deviation, for all splits alike.

It is done once, before any engine sees an image. So all engines train on the same float32 numbers,
bit for bit.
"""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lthctl.datasets.base import Dataset, Images, Split
from lthctl.errors import DataError
from lthctl.parameter_types import Normalize

CHUNK = 4096
"""Images at a time, so that their float64 numbers are never all in memory."""


def normalized(dataset: Dataset, normalize: Normalize) -> Dataset:
    """A dataset with its pixels moved and scaled.

    Args:
      dataset: not modified. Bytes stand for byte / 255.
      normalize: a mean and a standard deviation, of pixels in [0, 1] where they are bytes;
        "standard" for those of the training images; None to leave all as it is.

    Raises:
      DataError: "standard", and all pixels of the training images are the same.
    """
    if normalize is None:
        return dataset
    mean, deviation = moments(dataset.train) if normalize == "standard" else normalize

    def moved(split: Split) -> Split:
        return Split(_moved(split.images, mean, deviation), split.labels)

    return replace(
        dataset,
        train=moved(dataset.train),
        validation=moved(dataset.validation),
        test=None if dataset.test is None else moved(dataset.test),
        source=dataset.source or dataset.digest,
        normalize=normalize,
    )


def moments(split: Split) -> tuple[float, float]:
    """Mean and standard deviation of all pixels of a split. Of bytes they are sums of whole
    numbers, and so the same everywhere. Of floats they are rounded to float32, as the last bits of
    sums are not.

    Raises:
      DataError: all pixels are the same.
    """
    images = split.images
    if images.dtype == np.uint8:
        counts = [int(count) for count in np.bincount(images.reshape(-1), minlength=256)]
        number, total = sum(counts), sum(byte * count for byte, count in enumerate(counts))
        squares = sum(byte * byte * count for byte, count in enumerate(counts))
        spread = number * squares - total * total
        mean, deviation = total / (255 * number), math.sqrt(spread) / (255 * number)
    else:
        mean = float(np.float32(images.mean(dtype=np.float64)))
        deviation = float(np.float32(images.std(dtype=np.float64)))
    if not deviation > 0:
        raise DataError(
            "data.normalize: is standard, but all pixels of the training images are the same; "
            "leave it out"
        )
    return mean, deviation


def _moved(images: Images, mean: float, deviation: float) -> NDArray[np.float32]:
    if images.dtype == np.uint8:
        table = ((np.arange(256) / 255 - mean) / deviation).astype(np.float32)
        return table[images]
    moved = np.empty(images.shape, np.float32)
    for first in range(0, len(images), CHUNK):
        some = images[first : first + CHUNK].astype(np.float64)
        moved[first : first + CHUNK] = (some - mean) / deviation
    return moved
