"""How the weights of convolutions lie in the memory of a GPU."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def for_device(
    network: nn.Module, device: torch.device, precision: str, images: Callable[[], Tensor]
) -> nn.Module:
    """A network with its channels last, where that is faster: a convolution in 16 bits on a GPU.

    Numbers stay as they are. A module that cannot take it, such as one with `view` behind a
    convolution, is left as it is.

    Args:
      network: on its device.
      device, precision: of the training.
      images: gives two of them, as the network sees them.
    """
    has_pictures = any(parameter.dim() == 4 for parameter in network.parameters())
    if device.type == "cuda" and precision == "bfloat16" and has_pictures:
        return channels_last(network, images())
    return network


def channels_last(network: nn.Module, images: Tensor) -> nn.Module:
    """The same network with its channels last, if it can take that."""
    was_training = network.training
    network.to(memory_format=torch.channels_last)
    try:
        with torch.no_grad():
            network.eval()(images)
    except RuntimeError:
        network.to(memory_format=torch.contiguous_format)
    return network.train(was_training)
