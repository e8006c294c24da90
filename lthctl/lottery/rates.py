"""How much is removed per round, and whether every layer survives that."""

from collections.abc import Mapping

import numpy as np

from lthctl.mask import Shapes
from lthctl.models.base import Model

OUTPUT_LAYER_FACTOR = 0.5
"""The output layer is pruned at this fraction of the per-round rate (Frankle & Carbin, 2019,
appendix G)."""


def rate_per_round(ratio: float, rounds: int) -> float:
    """The fraction of the remaining weights to remove in each of `rounds` rounds, so that `ratio`
    of all are gone in the end.

    Args:
      ratio: final sparsity, in [0, 1).
      rounds: at least 1.
    """
    return ratio if rounds == 1 else 1 - (1 - ratio) ** (1 / rounds)


def check_survivable(shapes: Shapes, rate: Mapping[str, float], rounds: int) -> str | None:
    """Whether every layer keeps at least one weight after all rounds; biases may all go.

    Args:
      shapes: the prunable parameters, name -> shape.
      rate: name -> rate per round.
      rounds: at least 1.

    Returns:
      None, or which layer is left with no weight.
    """
    for name, shape in shapes.items():
        remaining = int(np.prod(shape))
        for _ in range(rounds):
            remaining -= round(rate[name] * remaining)
        if remaining == 0 and len(shape) >= 2:
            return f"leaves none of the {int(np.prod(shape))} weights of {name!r}"
    return None


def rates_of(
    model: Model, shapes: Mapping[str, tuple[int, ...]], ratio: float, rounds: int
) -> dict[str, float]:
    """The rate per round of every prunable parameter; half of the others' in the output layer."""
    if rounds == 0:
        return dict.fromkeys(shapes, 0.0)
    rate = rate_per_round(ratio, rounds)
    return {name: rate * OUTPUT_LAYER_FACTOR if model.is_output(name) else rate for name in shapes}
