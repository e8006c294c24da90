"""Where images become what a network sees."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from lthctl.datasets.augmenting import picture_shape
from lthctl.datasets.base import Split
from lthctl.training.augmentation import AugmentationOrder
from lthctl.training.spec import Training


class OnDevice(NamedTuple):
    """A split as tensors on a device; on the CPU they share the arrays' memory.

    Attributes:
      images, labels, levels: as in `Split`.
    """

    images: Tensor
    labels: Tensor
    levels: Tensor | None


def on_device(split: Split, device: torch.device) -> OnDevice:
    """A split as tensors on a device."""
    arrays = (split.images, split.labels, split.levels)
    images, labels, levels = (
        None
        if array is None
        else torch.from_numpy(np.require(array, requirements=["C", "W"])).to(device)
        for array in arrays
    )
    return OnDevice(images, labels, levels)  # type: ignore[arg-type]  # the first two are never None


class TrainingInputs:
    """The batches of a training as its network sees them.

    Args:
      training: the dataset may be augmented.
      device: where it trains.
    """

    def __init__(self, training: Training, device: torch.device) -> None:
        self.images, self.labels, self._levels = on_device(training.dataset.train, device)
        self._augment = augment = training.dataset.augment
        if augment is not None:
            self._order = AugmentationOrder(training.seed, augment, training.params.batch_size)
            self._shape = picture_shape(training.dataset.train.images)

    def draws(self, first: int, count: int) -> "Iterator[Tensor | None]":
        """What happens to the images of `count` steps from step `first` (from 0), for `of`."""
        if self._augment is None:
            yield from [None] * count
        else:
            yield from torch.from_numpy(self._order.draws(first, count)).to(self.images.device)

    def first_two(self) -> Tensor:
        """Two images as the network sees them, or the one that there is."""
        return as_input(self.images[:2], self._levels)

    def of(self, batch: Tensor, draw: Tensor | None) -> Tensor:
        """The batch of a step.

        Args:
          batch: (batch,), indices of the samples of this step.
          draw: what `draws` gave for it.
        """
        images = self.images[batch]
        if draw is not None and self._augment is not None:
            pictures = images.reshape(len(images), *self._shape)
            images = augmented(pictures, draw, self._augment.crop).reshape(images.shape)
        return as_input(images, self._levels)


def augmented(pictures: Tensor, draw: Tensor, crop: int) -> Tensor:
    """Pictures cut out of a border of zeros, and mirrored.

    Args:
      pictures: (batch, channels, height, width).
      draw: (batch, 3), as `AugmentationOrder.draws` gives it.
      crop: pixels of the border at each side.
    """
    num, channels, height, width = pictures.shape
    down, right, mirrored = draw.long().unbind(1)
    across = torch.arange(width, device=pictures.device)
    columns = torch.where(mirrored[:, None] == 1, width - 1 - across, across) + right[:, None]
    rows = torch.arange(height, device=pictures.device) + down[:, None]
    one = torch.arange(num, device=pictures.device)[:, None, None, None]
    channel = torch.arange(channels, device=pictures.device)[:, None, None]
    bordered = pad(pictures, (crop, crop, crop, crop))
    return bordered[one, channel, rows[:, None, :, None], columns[:, None, None, :]]


def as_input(images: Tensor, levels: Tensor | None = None) -> Tensor:
    """Images as networks see them.

    Args:
      images: bytes, or float32, which stays as it is.
      levels: what each byte of a channel stands for, as in `Split`; byte / 255 without.
    """
    if levels is not None:
        index = images.long()
        if len(levels) > 1:
            offsets = torch.arange(len(levels), device=images.device) * levels.shape[1]
            index += offsets[:, None, None]
        return levels.reshape(-1)[index]
    return images.to(torch.float32).mul_(1 / 255) if images.dtype == torch.uint8 else images
