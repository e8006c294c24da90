"""Pixels moved and scaled: (pixel - mean) / standard deviation, for all splits alike.

Every byte has its float32 number, made once. So all engines train on the same numbers, bit for bit.
Images without channels become these numbers at once. Those with channels stay bytes, and become
numbers batch by batch, as they would take four times the memory. The digest is the same both ways.
"""

import math
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from lthctl.datasets.base import IMAGES_AT_A_TIME, Dataset, Images, Split
from lthctl.errors import DataError
from lthctl.parameter_types import Moments, Normalize


def normalized(dataset: Dataset, normalize: Normalize, *, keep_bytes: bool = False) -> Dataset:
    """A dataset with its pixels moved and scaled.

    Args:
      dataset: not modified. Bytes stand for byte / 255.
      normalize: a mean and a standard deviation, of pixels in [0, 1] where they are bytes;
        "standard" for those of the training images, "per-channel" for those of each of their
        channels; None to leave all as it is.
      keep_bytes: whether bytes stay bytes, whatever shape the images have.

    Raises:
      DataError: all pixels of the training images, or of a channel, are the same; or the images
        have another number of channels.
    """
    if normalize is None:
        return dataset
    images = dataset.train.images
    means, deviations = _moments_of(dataset.train, normalize)
    stays_bytes = images.dtype == np.uint8 and (keep_bytes or images.ndim == 4)

    def moved(split: Split) -> Split:
        if stays_bytes:
            return replace(split, levels=_levels(means, deviations))
        if split.images.dtype == np.uint8:  # without channels
            return Split(_levels(means, deviations)[0][split.images], split.labels)
        return Split(_moved(split.images, means, deviations), split.labels)

    return replace(
        dataset,
        train=moved(dataset.train),
        validation=moved(dataset.validation),
        test=None if dataset.test is None else moved(dataset.test),
        source=dataset.source or dataset.digest,
        normalize=normalize,
    )


Values = tuple[float, ...]
"""One, or one for each channel."""


def _moments_of(train: Split, normalize: Moments | str) -> tuple[Values, Values]:
    """Means and standard deviations."""
    if normalize == "standard":
        mean, deviation = moments(train)
        return (mean,), (deviation,)
    channels = train.images.shape[1] if train.images.ndim == 4 else 1
    if normalize == "per-channel":
        if train.images.ndim != 4:
            return _moments_of(train, "standard")
        of_each = [
            moments(Split(train.images[:, channel : channel + 1], train.labels))
            for channel in range(channels)
        ]
        return tuple(mean for mean, _ in of_each), tuple(deviation for _, deviation in of_each)
    means, deviations = (
        part if isinstance(part, tuple) else (part,) for part in cast(Moments, normalize)
    )
    if len(means) not in (1, channels):
        raise DataError(
            f"data.normalize: has numbers for {len(means)} channels, and the images have "
            f"{channels}; give one for each, or one for all"
        )
    return means, deviations


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
            "data.normalize: all pixels of the training images are the same, or all of a channel; "
            "leave it out"
        )
    return mean, deviation


def _levels(means: Values, deviations: Values) -> NDArray[np.float32]:
    """What each byte of a channel becomes, of shape (channels, 256)."""
    both = zip(means, deviations, strict=True)
    tables = [(np.arange(256) / 255 - mean) / deviation for mean, deviation in both]
    return np.array(tables).astype(np.float32)


def _moved(images: Images, means: Values, deviations: Values) -> NDArray[np.float32]:
    mean, deviation = (
        np.array(values).reshape(-1, *[1] * (images.ndim - 2)) if len(values) > 1 else values[0]
        for values in (means, deviations)
    )
    moved = np.empty(images.shape, np.float32)
    for first in range(0, len(images), IMAGES_AT_A_TIME):
        some = images[first : first + IMAGES_AT_A_TIME].astype(np.float64)
        moved[first : first + IMAGES_AT_A_TIME] = (some - mean) / deviation
    return moved
