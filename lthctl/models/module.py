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
from lthctl.models.sharing import other_names, sharing_memory
from lthctl.seeding import Stream
from lthctl.surroundings import torch_defaults

if TYPE_CHECKING:
    from torch import nn


GENERATOR_LOCK = threading.RLock()
"""Held by whoever uses torch's global generator, of which a process has one."""


def shapes_of_module(name: str, module: object) -> dict[str, tuple[int, ...]]:
    """Parameter -> shape; one with several names under the first.

    Args:
      name: of the model, for messages.
      module: what its maker made.

    Raises:
      ParamsError: it is no module, or has what cannot be trained or kept in files; each such
        tensor is named with its type.
    """
    from torch import nn

    if not isinstance(module, nn.Module):
        raise ParamsError(
            f"model {name}: makes a value of type {type(module).__name__}, expected a "
            "torch.nn.Module"
        )
    if faults := _faults(module):
        raise ParamsError(f"model {name}: {'; '.join(faults)}")
    return {key: tuple(parameter.shape) for key, parameter in module.named_parameters()}


def _faults(module: "nn.Module") -> list[str]:
    import torch
    from torch.nn.parameter import is_lazy

    state = module.state_dict(keep_vars=True)
    parameters = {id(parameter) for parameter in module.parameters()}
    unknown = (torch.bfloat16, torch.complex32, torch.complex64, torch.complex128)
    faults = []
    for key, value in state.items():
        if not isinstance(value, torch.Tensor):
            faults.append(f"{key!r} is a {type(value).__name__}, expected a tensor")
        elif is_lazy(value):
            faults.append(
                f"{key!r} is of type {type(value).__name__}, which has no shape yet; call the "
                "module once with a batch before it is returned"
            )
        elif value.is_meta:
            faults.append(f"{key!r} is on the device meta and has no numbers; make it on the CPU")
        elif id(value) in parameters and value.dtype != torch.float32:
            faults.append(
                f"{key!r} is of type {value.dtype}, expected torch.float32; make the module in that"
            )
        elif value.dtype in unknown:
            faults.append(f"{key!r} is of type {value.dtype}, which NumPy files do not have")
    return faults or [
        f"{one!r} and {other!r} share memory, and are not one parameter; use one for both"
        for one, other in sharing_memory(state)
    ]


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
        if f"{self.output}.weight" not in self.shapes() | self.other_names:
            raise ParamsError(
                f"model {self.name!r}: has no output layer {self.output!r}; it has "
                f"{', '.join(self.shapes())}"
            )

    @cached_property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return shapes_of_module(self.name, self.build())

    @cached_property
    def other_names(self) -> dict[str, str]:
        """Further name -> first name. A parameter with several names counts once, as the first."""
        return other_names(self.build())

    def describe(self) -> ModuleDescription:
        return ModuleDescription(name=self.name, output=self.output, shapes=dict(self._shapes))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return self._shapes

    def prunable(self, *, biases: bool) -> Shapes:
        return prunable_among(self._shapes, biases=biases)

    def is_output(self, name: str) -> bool:
        names = [name, *(other for other, first in self.other_names.items() if first == name)]
        return any(each.startswith(f"{self.output}.") for each in names)

    def draw(self, stream: Stream) -> Weights:
        return state_of(self._make(int(stream.words(1)[0] >> np.uint64(1))))

    def build(self) -> "nn.Module":
        return self._make(0)

    def _make(self, seed: int) -> "nn.Module":
        import torch

        with torch_defaults(), GENERATOR_LOCK, torch.random.fork_rng():
            torch.manual_seed(seed)
            return self.make()
