"""Loss and accuracy of a network over all images of a split, with torch."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lthctl.datasets.base import Images, Split
from lthctl.library_settings import torch_defaults
from lthctl.mask import Weights
from lthctl.models.base import Model
from lthctl.models.sharing import load_weights
from lthctl.training.dense.determinism import torch_threads
from lthctl.training.dense.images import as_input, on_device

IMAGES_PER_BATCH = 1000


def evaluate(model: Model, weights: Weights, split: Split) -> tuple[float, float]:
    """Mean cross-entropy and accuracy of a model over a split, on the CPU.

    Args:
      model: the architecture.
      weights: name -> array, buffers too.
      split: images and labels.
    """
    with torch_defaults(), torch_threads(1):
        network = model.build()
        load_weights(network, weights)
        return evaluate_network(network, *on_device(split, torch.device("cpu")))


def evaluate_network(
    network: nn.Module, images: Tensor, labels: Tensor, levels: Tensor | None
) -> tuple[float, float]:
    """Mean loss and accuracy over all images; leaves the network in training mode."""
    network.eval()
    loss_sum, num_correct = 0.0, 0
    with torch.inference_mode():
        for batch, wanted in zip(
            images.split(IMAGES_PER_BATCH), labels.split(IMAGES_PER_BATCH), strict=True
        ):
            logits = network(as_input(batch, levels))
            loss_sum += cross_entropy(logits, wanted, reduction="sum").item()
            num_correct += int((logits.argmax(1) == wanted).sum().item())
    network.train()
    return loss_sum / len(labels), num_correct / len(labels)


def outputs_of(model: Model, images: Images) -> tuple[int, ...]:
    """The shape of what a model gives for some images, with any weights."""
    array = np.require(images, requirements=["C", "W"])
    with torch_defaults(), torch.no_grad():
        network = model.build().eval()
        outputs = network(as_input(torch.from_numpy(array)))
        if not isinstance(outputs, Tensor):
            raise TypeError(f"it gives a {type(outputs).__name__}, expected a tensor")
        return tuple(outputs.shape)
