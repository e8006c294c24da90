"""Where images become what a network sees."""

import numpy as np
import torch
from torch import Tensor

from lthctl.datasets.base import Split


def on_device(split: Split, device: torch.device) -> tuple[Tensor, Tensor]:
    """Images and labels as tensors; on the CPU they share the arrays' memory."""
    images, labels = (
        torch.from_numpy(np.require(array, requirements=["C", "W"]))
        for array in (split.images, split.labels)
    )
    return images.to(device), labels.to(device)


def training_input(images: Tensor, batch: Tensor, step: int) -> Tensor:
    """The batch of a step as the network sees it.

    Args:
      images: all of the training split.
      batch: indices of the samples of this step.
      step: its number, from 1.
    """
    return as_input(images[batch])


def as_input(images: Tensor) -> Tensor:
    """Images as networks see them: bytes become numbers in [0, 1]."""
    return images.to(torch.float32).mul_(1 / 255) if images.dtype == torch.uint8 else images
