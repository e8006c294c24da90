"""Fully connected networks, LeNet-300-100 among them."""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from lthctl.errors import ParamsError
from lthctl.library_settings import torch_defaults
from lthctl.mask import Array, Shapes, Weights
from lthctl.models.base import MlpDescription
from lthctl.models.entry import ModelEntry
from lthctl.models.initializations import INITIALIZATIONS
from lthctl.parameter_types import Init
from lthctl.params import ModelParams
from lthctl.seeding import Stream

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class MLP:
    """Fully connected layers with ReLU between them and nothing after the last; the default is
    LeNet-300-100.

    Parameters are called `layers.<i>.weight`, of shape (outputs, inputs), and `layers.<i>.bias`, of
    shape (outputs,).

    Attributes:
      layers: sizes of inputs, hidden layers and classes; at least two.
      init: how weights and biases are first drawn; see `lthctl.models.initializations`.
    """

    layers: tuple[int, ...] = (784, 300, 100, 10)
    init: Init = "uniform"

    @classmethod
    def from_params(cls, params: ModelParams) -> "MLP":
        if params.kwargs:
            raise ParamsError(
                f"model.kwargs: is {dict(params.kwargs)}, but an mlp takes model.layers and "
                "model.init; remove it"
            )
        if params.output is not None:
            raise ParamsError(
                f"model.output: is {params.output!r}, but the output layer of an mlp is its last; "
                "remove it"
            )
        return cls(params.layers, params.init)

    def describe(self) -> MlpDescription:
        return MlpDescription(layers=self.layers, init=self.init)

    def shapes(self) -> Shapes:
        shapes: dict[str, tuple[int, ...]] = {}
        for index, (fan_in, fan_out) in enumerate(pairwise(self.layers)):
            shapes[f"layers.{index}.weight"] = (fan_out, fan_in)
            shapes[f"layers.{index}.bias"] = (fan_out,)
        return shapes

    def prunable(self, *, biases: bool) -> Shapes:
        return {
            name: shape
            for name, shape in self.shapes().items()
            if biases or name.endswith(".weight")
        }

    def is_output(self, name: str) -> bool:
        return name.startswith(f"layers.{len(self.layers) - 2}.")

    def draw(self, stream: Stream) -> Weights:
        drawn = INITIALIZATIONS[self.init]
        weights: dict[str, Array] = {}
        for index, (fan_in, fan_out) in enumerate(pairwise(self.layers)):
            matrix = drawn.weights(stream, (fan_out, fan_in))
            weights[f"layers.{index}.weight"] = matrix.astype(np.float32)
            biases = (
                np.zeros(fan_out) if drawn.biases is None else drawn.biases(stream, fan_in, fan_out)
            )
            weights[f"layers.{index}.bias"] = biases.astype(np.float32)
        return weights

    def build(self) -> "nn.Module":
        from torch import Tensor, nn

        class Network(nn.Module):
            def __init__(self, sizes: tuple[int, ...]) -> None:
                super().__init__()
                # Left uninitialized: weights always come from outside, and drawing some would
                # advance torch's global generator.
                linear = [nn.utils.skip_init(nn.Linear, *pair) for pair in pairwise(sizes)]
                self.layers = nn.ModuleList(linear)

            def forward(self, images: Tensor) -> Tensor:
                hidden = images.flatten(1)  # (batch, inputs)
                for layer in self.layers[:-1]:
                    hidden = layer(hidden).relu_()
                logits: Tensor = self.layers[-1](hidden)  # (batch, classes)
                return logits

        with torch_defaults():
            return Network(self.layers)


def _lenet_300_100(params: ModelParams) -> MLP:
    if params.layers != MLP.layers:
        raise ParamsError(
            f"model.layers: is {list(params.layers)}, but lenet-300-100 is {list(MLP.layers)}; "
            "remove it, or set model.name to mlp"
        )
    return MLP.from_params(params)


ENTRY = ModelEntry(MLP.from_params)
LENET_300_100 = ModelEntry(_lenet_300_100)
"""The MLP of the paper, which tickets describe as an MLP."""
