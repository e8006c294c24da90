"""Models by name, and models from what tickets say of them.

A model of one's own is a class or a function that makes a torch module, with `model.kwargs` or
with no arguments. It is called `module:name` in `model.name`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lthctl import families
from lthctl.errors import ParamsError
from lthctl.families import Family
from lthctl.models.base import Model, ModuleDescription, prunable_among
from lthctl.models.module import ModuleModel, kwargs_for, made_by, shapes_of_module
from lthctl.params import ModelParams

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ModelEntry:
    """A model.

    Attributes:
      from_params: the architecture that the section `model` of the parameters asks for.
      from_ticket: the architecture that a ticket describes; None for a model that tickets describe
        by something else than a `ModuleDescription`.
    """

    from_params: Callable[[ModelParams], Model]
    from_ticket: Callable[[ModuleDescription], Model] | None = None


def as_model(name: str, given: object) -> ModelEntry:
    """A member of the family from what a person brought: a `ModelEntry`, or what makes a module.

    Raises:
      TypeError: it is neither; says what was expected.
    """
    if isinstance(given, ModelEntry):
        return given
    if not callable(given):
        raise TypeError(
            "a class or a function that makes a torch module, or a lthctl.models.entry.ModelEntry"
        )
    make: Callable[..., nn.Module] = given

    def from_params(params: ModelParams) -> Model:
        for key in ("layers", "init"):
            if getattr(params, key) != ModelParams.model_fields[key].default:
                raise ParamsError(
                    f"model.{key}: is for built-in models, and {name} does not read it; remove it"
                )
        kwargs = kwargs_for(name, make, params.kwargs)
        output = params.output or _output_of(name, make, kwargs)
        return ModuleModel(name, make, output, kwargs)

    def from_ticket(description: ModuleDescription) -> Model:
        kwargs = kwargs_for(name, make, description.kwargs)
        return ModuleModel(name, make, description.output, kwargs)

    return ModelEntry(from_params, from_ticket)


def _output_of(name: str, make: "Callable[..., nn.Module]", kwargs: Mapping[str, Any]) -> str:
    """The layer with the last weights that may be pruned."""
    module = made_by(name, make, kwargs, 0)
    shapes = shapes_of_module(name, module)
    trained = {key: shapes[key] for key, one in module.named_parameters() if one.requires_grad}
    prunable = [key for key in prunable_among(trained, biases=False) if key.endswith(".weight")]
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
