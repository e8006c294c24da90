"""Built-in networks: torch modules of lthctl's own, that tickets describe in full.

Their weights are drawn layer by layer from a `Stream`, and not by torch's generator.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lthctl.errors import ParamsError
from lthctl.library_settings import torch_defaults
from lthctl.mask import Array, Weights
from lthctl.models.base import ModuleDescription
from lthctl.models.entry import ModelEntry
from lthctl.models.initializations import INITIALIZATIONS, fans_of
from lthctl.models.module import ModuleModel, kwargs_for
from lthctl.parameter_types import Init
from lthctl.params import ModelParams
from lthctl.seeding import Stream

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Network(ModuleModel):
    """A built-in network.

    Attributes:
      init: how the weights and biases of its layers are first drawn; see
        `lthctl.models.initializations`. Batch norm starts as torch's does: weight 1, bias 0,
        running mean 0 and variance 1.
    """

    init: Init = "uniform"

    def describe(self) -> ModuleDescription:
        return super().describe().model_copy(update={"init": self.init})

    def draw(self, stream: Stream) -> Weights:
        from torch import nn

        drawn = INITIALIZATIONS[self.init]
        weights: dict[str, Array] = {}
        for name, module in self.build().named_modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                shape = tuple(module.weight.shape)
                weights[f"{name}.weight"] = drawn.weights(stream, shape).astype(np.float32)
                if module.bias is not None:
                    fan_in, _ = fans_of(shape)
                    biases = (
                        np.zeros(shape[0])
                        if drawn.biases is None
                        else drawn.biases(stream, fan_in, shape[0])
                    )
                    weights[f"{name}.bias"] = biases.astype(np.float32)
            elif isinstance(module, nn.BatchNorm2d):
                channels = module.num_features
                weights[f"{name}.weight"] = np.ones(channels, np.float32)
                weights[f"{name}.bias"] = np.zeros(channels, np.float32)
                weights[f"{name}.running_mean"] = np.zeros(channels, np.float32)
                weights[f"{name}.running_var"] = np.ones(channels, np.float32)
                weights[f"{name}.num_batches_tracked"] = np.array(0, np.int64)
        return weights

    def _make(self, seed: int) -> "nn.Module":
        """A network whose numbers are yet to be set; it draws none."""
        import torch

        with torch_defaults():
            with torch.device("meta"):
                module = self.make(**self.kwargs)
            return module.to_empty(device="cpu")

    def _check_is_the_same_again(self, module: "nn.Module") -> None:
        """It draws nothing when it is made."""


def entry_of(name: str, make: "Callable[..., nn.Module]", output: str) -> ModelEntry:
    """A built-in network as a member of its family.

    Args:
      name: its own.
      make: takes `model.kwargs` by name, all of which have defaults, and makes the module.
      output: name of its output layer.
    """
    defaults = {key: one.default for key, one in inspect.signature(make).parameters.items()}

    def from_params(params: ModelParams) -> Network:
        for key in ("layers", "output"):
            if getattr(params, key) != ModelParams.model_fields[key].default:
                raise ParamsError(
                    f"model.{key}: is not for {name}, whose layers are fixed; remove it"
                )
        kwargs = kwargs_for(name, make, params.kwargs)
        for key, value in kwargs.items():
            if type(value) is not int or value < 1:
                raise ParamsError(
                    f"model.kwargs: {key} is {value!r}, expected a whole number above 0"
                )
        given = {key: value for key, value in kwargs.items() if value != defaults[key]}
        return Network(name, make, output, given, params.init)

    def from_ticket(description: ModuleDescription) -> Network:
        init = description.init or "uniform"
        return Network(name, make, description.output, description.kwargs, init)

    return ModelEntry(from_params, from_ticket)


def as_pictures(images: "Tensor", channels: int) -> "Tensor":
    """Images for a convolution, of shape (batch, channels, height, width).

    Args:
      images: of that shape, or flat ones of square pictures, (batch, channels x height x width), or
        of shape (batch, height, width).
      channels: that the network has.
    """
    if images.dim() == 4:
        return images
    side = round((images[0].numel() / channels) ** 0.5)
    return images.reshape(len(images), channels, side, side)
