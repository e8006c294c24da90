"""Any torch module as a model."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lthctl.errors import ParamsError
from lthctl.mask import Shapes, Weights
from lthctl.models.base import ModuleDescription, prunable_among, state_of
from lthctl.seeding import Stream
from lthctl.surroundings import torch_defaults

if TYPE_CHECKING:
    from torch import nn


GENERATOR_LOCK = threading.RLock()
"""Held by whoever uses torch's global generator, of which a process has one."""


@dataclass(frozen=True)
class ModuleModel:
    """Any torch module as a model.

    Prunable are the parameters with two dimensions or more, and the biases beside them.

    Attributes:
      name: what tickets say they are of; a ticket of another name or other shapes is refused.
      make: returns a new module, initialized by torch's global generator, which is seeded before
        and restored after.
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
                f"model {self.name!r}: has no output layer {self.output!r}; it has "
                f"{', '.join(self.shapes())}"
            )

    @cached_property
    def _shapes(self) -> Shapes:
        return {name: tuple(parameter.shape) for name, parameter in self.build().named_parameters()}

    def describe(self) -> ModuleDescription:
        return ModuleDescription(name=self.name, output=self.output, shapes=dict(self._shapes))

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

        with torch_defaults(), GENERATOR_LOCK, torch.random.fork_rng():
            torch.manual_seed(seed)
            return self.make()
