"""The section `prune`: which tickets are asked for."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from lthctl.parameter_types import (
    Counts,
    LayerPatterns,
    LayerRatios,
    Methods,
    Naturals,
    Rate,
    Ratios,
    Scope,
    Seeds,
)
from lthctl.params.section import Section


class PruneParams(Section):
    """Which tickets are asked for: the product of the lists."""

    schema_1 = frozenset({"method", "ratio", "rounds", "seed", "biases"})

    method: Methods = ("l1",)
    """How weights are scored: `l1`, by magnitude; `random`, by chance; and others. `dense` prunes
    nothing: with a `rewind_step` it is the dense network that goes on from there."""

    ratio: Ratios = (0.8,)
    """Final sparsities asked for, in [0, 1); 0 is the dense network."""

    rounds: Counts = (1,)
    """Train-prune-rewind rounds: 1 is one-shot, more is iterative."""

    seed: Seeds = (1,)
    """Seeds; each is a replicate of the whole experiment. `1-20` is a range, also inside a list."""

    biases: bool = True
    """Whether biases are pruned too, each layer's at the rate of its weights."""

    rate: Rate = None
    """The fraction of the remaining weights that every round removes, such as 0.2; or one by the
    names of layers, such as `{"conv*": 0.1, "fc*": 0.2}`, where a layer's own name wins over a
    pattern. It takes the place of the ratios, but for 0, and every round trains all steps."""

    every_round: bool = False
    """Whether a ticket is left at every round on the way to the last one of `rounds`."""

    layer_ratio: LayerRatios = None
    """A final sparsity for each layer, such as `[0.8, 0.8, 0.4]`. It takes the place of the ratios,
    but for 0."""

    exclude: LayerPatterns = ()
    """Layers that are never pruned, by their names, such as `[conv1, "*downsample*"]`."""

    output_factor: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The output layer is pruned at this fraction of the rate of the others."""

    scope: Scope = "layer"
    """`layer`: weights compete within their layer. `global`: all with each other."""

    rewind_step: Naturals = (0,)
    """The steps of the dense network's training whose weights tickets rewind to. 0 are the initial
    weights. Rounds and retraining go on from there, with a fresh optimizer."""

    @field_validator("every_round")
    @classmethod
    def _needs_a_rate(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("rate") is None:
            raise PydanticCustomError("sizes", "Input should be with a rate, such as 0.2")
        return value

    @field_validator("layer_ratio")
    @classmethod
    def _excludes_a_rate(
        cls, value: tuple[float, ...] | None, info: ValidationInfo
    ) -> tuple[float, ...] | None:
        if value and info.data.get("rate") is not None:
            raise PydanticCustomError("sizes", "Input should be none, as there is a rate")
        return value
