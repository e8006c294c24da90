"""What a model is: an architecture, how its weights are first drawn, and what of it is prunable.

A model is a description. A network is built from it, with weights and a mask, for every training
anew. Weights are a mapping of name to NumPy array, the names those of the network's state_dict.
"""

from typing import TYPE_CHECKING, Annotated, Literal, Protocol

import numpy as np
from pydantic import FailFast, Field, JsonValue, PlainValidator, Strict

from lthctl.canonical import Json
from lthctl.mask import Array, Shapes, Weights
from lthctl.models.sharing import other_names
from lthctl.parameter_types import (
    PARAMETERS_LIMIT,
    Count,
    Init,
    Natural,
    ParametersByName,
    Text,
    not_null,
)
from lthctl.params import Section
from lthctl.seeding import Stream

if TYPE_CHECKING:
    from torch import nn


MOST_WORDS = 1000  # characters

Shape = Annotated[tuple[Natural, ...], Strict(False)]


class MlpDescription(Section):
    """What an `MLP` says of itself."""

    kind: Literal["mlp"] = "mlp"
    layers: Annotated[tuple[Count, ...], Strict(False), Field(min_length=2), FailFast()]
    init: Init

    @property
    def says_more_than_schema_1(self) -> bool:
        """Whether its weights are drawn as the first schema did not know."""
        return self.init not in ("uniform", "glorot")

    @property
    def name(self) -> str:
        """Its sizes, `784-300-100-10`."""
        return "-".join(map(str, self.layers))

    def to_json(self) -> Json:
        return {"kind": self.kind, "layers": list(self.layers), "init": self.init}


class ModuleDescription(Section):
    """What a `ModuleModel` says of itself.

    Attributes:
      name: its own.
      output: its output layer.
      shapes: parameter -> shape.
      frozen: parameters that are not trained, and so never pruned.
      kwargs: what it is made with.
      init: how a built-in network's weights are drawn; None where a module draws its own.
    """

    schema_1 = frozenset({"kind", "name", "output", "shapes"})

    kind: Literal["module"] = "module"
    name: Text
    output: Text
    shapes: Annotated[dict[str, Shape], ParametersByName]
    frozen: Annotated[tuple[str, ...], Strict(False), Field(max_length=PARAMETERS_LIMIT)] = ()
    kwargs: dict[str, JsonValue] = Field(default_factory=dict)
    init: Annotated[Init | None, not_null] = None

    @property
    def words(self) -> str:
        """What it is, for people: `conv2 (classes 100), glorot weights`."""
        kwargs = ", ".join(f"{key} {value}" for key, value in self.kwargs.items())[:MOST_WORDS]
        name = f"{self.name} ({kwargs})" if kwargs else self.name
        return f"module {name}" if self.init is None else f"{name}, {self.init} weights"

    def to_json(self) -> Json:
        return self.identity()


class OtherDescription(Section, extra="allow"):
    """What a model of somebody's own says of itself: a `kind`, and anything else that is JSON."""

    kind: Text

    @property
    def name(self) -> str:
        """What it calls itself; its kind where it does not say."""
        return str((self.model_extra or {}).get("name", self.kind))[:MOST_WORDS]

    def to_json(self) -> Json:
        return {"kind": self.kind, **(self.model_extra or {})}


def _by_kind(value: object) -> object:
    """The description that `kind` tells."""
    if isinstance(value, MlpDescription | ModuleDescription | OtherDescription):
        return value
    kind = value.get("kind") if isinstance(value, dict) else None
    kinds: dict[str, type[Section]] = {"mlp": MlpDescription, "module": ModuleDescription}
    return kinds.get(str(kind), OtherDescription).model_validate(value)


ModelDescription = Annotated[
    MlpDescription | ModuleDescription | OtherDescription, PlainValidator(_by_kind)
]


class Model(Protocol):
    """What the rest of lthctl needs to know of a model."""

    def describe(self) -> ModelDescription:
        """All that makes this model this model; part of every ticket and of every training's
        digest."""

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
        gives, apart from further names of the same parameters."""


def prunable_among(shapes: Shapes, *, biases: bool) -> Shapes:
    """Those with two dimensions or more, and, if `biases`, the biases beside them.

    Args:
      shapes: of the parameters that are trained.
      biases: whether biases count.
    """

    def is_prunable(name: str) -> bool:
        if name.endswith(".bias"):
            return biases and len(shapes.get(name.removesuffix("bias") + "weight", ())) >= 2
        return len(shapes[name]) >= 2

    return {name: shape for name, shape in shapes.items() if is_prunable(name)}


def state_of(module: "nn.Module") -> dict[str, Array]:
    """A copy of a module's state_dict, parameters and buffers, as NumPy arrays; what has several
    names under the first."""
    others = other_names(module)
    return {
        name: np.array(tensor.detach().cpu().numpy())
        for name, tensor in module.state_dict().items()
        if name not in others
    }
