"""Models by name, and models from what tickets say of them.

A model of one's own is a class or a function without required arguments that makes a torch module.
It is called `module:name` in `model.name`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lthctl import families
from lthctl.errors import ParamsError
from lthctl.families import Family, checked_callable
from lthctl.models.base import Model, prunable_among
from lthctl.models.module import GENERATOR_LOCK, ModuleModel, shapes_of_module
from lthctl.params import ModelParams
from lthctl.surroundings import torch_defaults

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ModelEntry:
    """A model.

    Attributes:
      from_params: the architecture that the section `model` of the parameters asks for.
      from_output: the architecture with an output layer of this name, as a ticket describes it;
        None for a model that tickets describe in full.
    """

    from_params: Callable[[ModelParams], Model]
    from_output: Callable[[str], Model] | None = None


def as_model(name: str, given: object) -> ModelEntry:
    """A member of the family from what a person brought: a `ModelEntry`, or what makes a module.

    Raises:
      TypeError: it is neither; says what was expected.
    """
    if isinstance(given, ModelEntry):
        return given
    expected = (
        "a class or a function without required arguments that makes a torch module, or a "
        "lthctl.models.entry.ModelEntry"
    )
    make: Callable[[], nn.Module] = checked_callable(given, 0, expected, or_class=True)

    def from_params(params: ModelParams) -> Model:
        for key in ("layers", "init"):
            if getattr(params, key) != ModelParams.model_fields[key].default:
                raise ParamsError(
                    f"model.{key}: is for mlp, and {name} does not read it; remove it"
                )
        return ModuleModel(name, make, params.output or _output_of(name, make))

    return ModelEntry(from_params, lambda output: ModuleModel(name, make, output))


def _output_of(name: str, make: Callable[[], object]) -> str:
    """The layer with the last weights that may be pruned."""
    from torch import random

    try:
        with torch_defaults(), GENERATOR_LOCK, random.fork_rng():
            module = make()
    except Exception as error:
        raise ParamsError(
            f"model {name}: cannot be made ({type(error).__name__}: {error})"
        ) from error
    shapes = shapes_of_module(name, module)
    prunable = [key for key in prunable_among(shapes, biases=False) if key.endswith(".weight")]
    if not prunable:
        raise ParamsError(
            f"model {name}: has no layer that can be pruned; it has {', '.join(shapes) or 'none'}"
        )
    return prunable[-1].removesuffix(".weight")


MODELS: Family[ModelEntry] = families.MODELS


def model_from(params: ModelParams) -> Model:
    """The architecture that the parameters ask for.

    Raises:
      ParamsError: there is no such model, it may not be imported, or a parameter is not for it.
    """
    return MODELS.get(params.name).from_params(params)
