"""What a model is: an architecture, how its weights are first drawn, and what of it is prunable.

A model is a description. A network is built from it, with weights and a mask, for every training
anew. Weights are a mapping of name to NumPy array, the names those of the network's state_dict.
"""

from typing import TYPE_CHECKING, Protocol

import numpy as np

from lthctl.canonical import Json
from lthctl.mask import Array, Shapes, Weights
from lthctl.seeding import Stream

if TYPE_CHECKING:
    from torch import nn


class Model(Protocol):
    """What the rest of lthctl needs to know of a model."""

    def describe(self) -> Json:
        """All that makes this model this model, as JSON; part of every ticket and of every
        training's digest."""

    def shapes(self) -> Shapes:
        """Parameter name -> shape."""

    def prunable(self, *, biases: bool) -> Shapes:
        """Name -> shape of the parameters that may be pruned, in the model's order."""

    def is_output(self, name: str) -> bool:
        """Whether a parameter belongs to the output layer, which is pruned at half the rate."""

    def draw(self, stream: Stream) -> Weights:
        """Fresh initial weights; the same for the same stream."""

    def build(self) -> "nn.Module":
        """A network whose state_dict has exactly the names and shapes of the weights that `draw`
        gives."""


def prunable_among(shapes: Shapes, *, biases: bool) -> Shapes:
    """Those with two dimensions or more, and, if `biases`, the biases beside them."""

    def is_prunable(name: str) -> bool:
        if name.endswith(".bias"):
            return biases and len(shapes.get(name.removesuffix("bias") + "weight", ())) >= 2
        return len(shapes[name]) >= 2

    return {name: shape for name, shape in shapes.items() if is_prunable(name)}


def state_of(module: "nn.Module") -> dict[str, Array]:
    """A copy of a module's state_dict, parameters and buffers, as NumPy arrays."""
    return {
        name: np.array(tensor.detach().cpu().numpy())
        for name, tensor in module.state_dict().items()
    }
