"""Models: their architecture, how their weights are first drawn, and which of their parameters are prunable.

A model is a description; a network is built from it, with weights and a mask, for every training anew. Weights are a
mapping of name to NumPy array, the names those of the network's state_dict.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lthctl.errors import ParamsError
from lthctl.files import Json
from lthctl.mask import Array, Shapes, Weights
from lthctl.params import Init, ModelParams
from lthctl.seeding import Stream

if TYPE_CHECKING:
    from torch import nn


class Model(Protocol):
    """What the rest of lthctl needs to know of a model."""

    def describe(self) -> Json:
        """All that makes this model this model, as JSON; part of every ticket and of every training's digest."""

    def shapes(self) -> Shapes:
        """Parameter name -> shape."""

    def prunable(self, *, biases: bool) -> Shapes:
        """Name -> shape of the parameters that may be pruned, in the model's order."""

    def is_output(self, name: str) -> bool:
        """Whether a parameter belongs to the output layer, which is pruned at half the rate."""

    def draw(self, stream: Stream) -> Weights:
        """Fresh initial weights; the same for the same stream."""

    def build(self) -> "nn.Module":
        """A network whose state_dict has exactly the names and shapes of the weights that `draw` gives."""


@dataclass(frozen=True)
class MLP:
    """Fully connected layers with ReLU between them and nothing after the last; the default is LeNet-300-100.

    Parameters are called `layers.<i>.weight`, of shape (outputs, inputs), and `layers.<i>.bias`, of shape (outputs,).

    Attributes:
      layers: sizes of inputs, hidden layers and classes; at least two.
      init: "uniform", U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for weights and biases, as torch.nn.Linear draws them; or
        "glorot", weights from N(0, 2 / (fan_in + fan_out)) (Glorot & Bengio, 2010) and zero biases.
    """

    layers: tuple[int, ...] = (784, 300, 100, 10)
    init: Init = "uniform"

    @classmethod
    def from_params(cls, params: ModelParams) -> "MLP":
        return cls(params.layers, params.init)

    def describe(self) -> Json:
        return {"kind": "mlp", "layers": list(self.layers), "init": self.init}

    def shapes(self) -> Shapes:
        found: dict[str, tuple[int, ...]] = {}
        for index, (fan_in, fan_out) in enumerate(pairwise(self.layers)):
            found[f"layers.{index}.weight"] = (fan_out, fan_in)
            found[f"layers.{index}.bias"] = (fan_out,)
        return found

    def prunable(self, *, biases: bool) -> Shapes:
        return {name: shape for name, shape in self.shapes().items() if biases or name.endswith(".weight")}

    def is_output(self, name: str) -> bool:
        return name.startswith(f"layers.{len(self.layers) - 2}.")

    def draw(self, stream: Stream) -> Weights:
        weights: dict[str, Array] = {}
        for name, shape in self.shapes().items():
            fan_out, fan_in = self.shapes()[name.replace(".bias", ".weight")]
            if self.init == "uniform":
                weights[name] = ((2 * stream.uniform(shape) - 1) / np.sqrt(fan_in)).astype(np.float32)
            elif name.endswith(".weight"):
                weights[name] = (stream.normal(shape) * np.sqrt(2 / (fan_in + fan_out))).astype(np.float32)
            else:
                weights[name] = np.zeros(shape, np.float32)
        return weights

    def build(self) -> "nn.Module":
        from torch import Tensor, nn

        class Network(nn.Module):
            def __init__(self, sizes: tuple[int, ...]) -> None:
                super().__init__()
                # Left uninitialized: weights always come from outside, and drawing some would advance torch's global
                # generator.
                linear = [nn.utils.skip_init(nn.Linear, *pair) for pair in pairwise(sizes)]
                self.layers = nn.ModuleList(linear)

            def forward(self, images: Tensor) -> Tensor:
                hidden = images.flatten(1)  # (batch, inputs)
                for layer in self.layers[:-1]:
                    hidden = layer(hidden).relu_()
                logits: Tensor = self.layers[-1](hidden)  # (batch, classes)
                return logits

        return Network(self.layers)


@dataclass(frozen=True)
class ModuleModel:
    """Any torch module as a model.

    Prunable are the parameters with two dimensions or more, and the biases beside them.

    Attributes:
      name: what tickets say they are of; a ticket of another name or other shapes is refused.
      make: returns a new module, initialized by torch's global generator, which is seeded before and restored after.
      output: name of the output layer within the module, such as "fc2".

    Example:
      >>> model = ModuleModel("lenet5", LeNet5, output="fc3")
    """

    name: str
    make: "Callable[[], nn.Module]"
    output: str

    def __post_init__(self) -> None:
        if f"{self.output}.weight" not in self.shapes():
            raise ParamsError(
                f"model {self.name!r}: has no output layer {self.output!r}; it has {', '.join(self.shapes())}"
            )

    @cached_property
    def _shapes(self) -> Shapes:
        return {name: tuple(parameter.shape) for name, parameter in self.build().named_parameters()}

    def describe(self) -> Json:
        return {
            "kind": "module",
            "name": self.name,
            "output": self.output,
            "shapes": {name: list(s) for name, s in self._shapes.items()},
        }

    def shapes(self) -> Shapes:
        return self._shapes

    def prunable(self, *, biases: bool) -> Shapes:
        return prunable_among(self._shapes, biases=biases)

    def is_output(self, name: str) -> bool:
        return name.startswith(f"{self.output}.")

    def draw(self, stream: Stream) -> Weights:
        return state_of(self._make(int(stream.words(1)[0] >> np.uint64(1))))

    def build(self) -> "nn.Module":
        return self._make(0)

    def _make(self, seed: int) -> "nn.Module":
        import torch

        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return self.make()


def prunable_among(shapes: Shapes, *, biases: bool) -> Shapes:
    """Those with two dimensions or more, and, if `biases`, the biases beside them."""

    def is_prunable(name: str) -> bool:
        if name.endswith(".bias"):
            return biases and len(shapes.get(name.removesuffix("bias") + "weight", ())) >= 2
        return len(shapes[name]) >= 2

    return {name: shape for name, shape in shapes.items() if is_prunable(name)}


def state_of(module: "nn.Module") -> dict[str, Array]:
    """A copy of a module's state_dict, parameters and buffers, as NumPy arrays."""
    return {name: np.array(tensor.detach().cpu().numpy()) for name, tensor in module.state_dict().items()}


def from_description(description: Mapping[str, object]) -> MLP | None:
    """The model that `describe` described, or None where only its maker can build it."""
    if description.get("kind") != "mlp":
        return None
    return MLP.from_params(
        ModelParams.model_validate({"layers": description.get("layers"), "init": description.get("init")})
    )
