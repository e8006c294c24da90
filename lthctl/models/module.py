"""Any torch module as a model."""

import inspect
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lthctl.errors import ParamsError
from lthctl.library_settings import torch_defaults
from lthctl.mask import Shapes, Weights, listed
from lthctl.models.base import ModuleDescription, prunable_among, state_of
from lthctl.models.sharing import other_names, sharing_memory
from lthctl.seeding import Stream

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
        elif value.dtype in unknown or value.is_quantized:
            faults.append(f"{key!r} is of type {value.dtype}, which NumPy files do not have")
        elif value.layout != torch.strided:
            faults.append(f"{key!r} has the layout {value.layout}, expected a dense tensor")
    return faults or [
        f"{one!r} and {other!r} share memory, and are not one parameter; use one for both"
        for one, other in sharing_memory(state)
    ]


def kwargs_for(name: str, make: Callable[..., object], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """What a module is made with, if its maker can be called with that.

    Raises:
      ParamsError: it cannot.
    """
    taken = ""
    try:
        signature = inspect.signature(make)
        taken = f": {', '.join(signature.parameters)}" if signature.parameters else ", nothing"
        signature.bind(**kwargs)
    except (TypeError, ValueError) as error:
        given = f"model.kwargs {dict(kwargs)}" if kwargs else "no arguments"
        raise ParamsError(
            f"model {name}: cannot be called with {given} ({error}); give it what it takes in "
            f"model.kwargs{taken}"
        ) from None
    return dict(kwargs)


def made_by(
    name: str, make: "Callable[..., nn.Module]", kwargs: Mapping[str, Any], seed: int
) -> "nn.Module":
    """A new module, initialized by torch's global generator with this seed, which is as before
    afterwards.

    Raises:
      ParamsError: its maker raises something.
    """
    import torch

    with torch_defaults(), GENERATOR_LOCK, torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            return make(**kwargs)
        except (Exception, SystemExit) as error:
            reason = (str(error).splitlines() or [""])[0][:300]
            raise ParamsError(
                f"model {name}: cannot be made ({type(error).__name__}: {reason})"
            ) from error


@dataclass(frozen=True)
class ModuleModel:
    """Any torch module as a model.

    Prunable are the parameters with two dimensions or more, and the biases beside them. Those that
    are frozen (`requires_grad` is False) are neither trained nor pruned. Buffers go where weights
    go: into tickets, and back with every rewind.

    Attributes:
      name: what tickets say they are of; a ticket of another name or other shapes is refused.
      make: returns a new module, initialized by torch's global generator, which is seeded before
        and restored after.
      output: name of the output layer within the module, such as "fc2".
      kwargs: what `make` is called with, by name; JSON values.

    Raises:
      ParamsError: the module cannot be made, has no such layer or holds what cannot be trained; or
        it is another one when it is made again with the same seed.

    Example:
      >>> model = ModuleModel("lenet5", LeNet5, output="fc3")
    """

    name: str
    make: "Callable[..., nn.Module]"
    output: str
    kwargs: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if f"{self.output}.weight" not in self.shapes() | self.other_names:
            raise ParamsError(
                f"model {self.name!r}: has no output layer {self.output!r}; it has "
                f"{', '.join(self.shapes())}"
            )

    @cached_property
    def _first(self) -> tuple[dict[str, tuple[int, ...]], dict[str, str], tuple[str, ...]]:
        """Shapes, further names, and the names of frozen parameters."""
        module = self.build()
        shapes = shapes_of_module(self.name, module)
        self._check_is_the_same_again(module)
        frozen = (key for key, one in module.named_parameters() if not one.requires_grad)
        return shapes, other_names(module), tuple(frozen)

    def _check_is_the_same_again(self, module: "nn.Module") -> None:
        first, again = state_of(module), state_of(self.build())
        differing = [
            key
            for key in first | again
            if key not in first or key not in again or first[key].tobytes() != again[key].tobytes()
        ]
        if differing:
            raise ParamsError(
                f"model {self.name}: is another one when it is made again with the same seed; it "
                f"differs in {listed(differing)}. Its replicates would not be reproducible: draw "
                "all numbers from torch's global generator, which is seeded here"
            )

    @property
    def other_names(self) -> dict[str, str]:
        """Further name -> first name. A parameter with several names counts once, as the first."""
        return self._first[1]

    def describe(self) -> ModuleDescription:
        return ModuleDescription(
            name=self.name,
            output=self.output,
            shapes=dict(self.shapes()),
            frozen=self._first[2],
            kwargs=dict(self.kwargs),
        )

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return self._first[0]

    def prunable(self, *, biases: bool) -> Shapes:
        frozen = self._first[2]
        trained = {name: shape for name, shape in self.shapes().items() if name not in frozen}
        return prunable_among(trained, biases=biases)

    def is_output(self, name: str) -> bool:
        names = [name, *(other for other, first in self.other_names.items() if first == name)]
        return any(each.startswith(f"{self.output}.") for each in names)

    def draw(self, stream: Stream) -> Weights:
        return state_of(self._make(int(stream.words(1)[0] >> np.uint64(1))))

    def build(self) -> "nn.Module":
        return self._make(0)

    def _make(self, seed: int) -> "nn.Module":
        return made_by(self.name, self.make, self.kwargs, seed)
