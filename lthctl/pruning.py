"""Pruning: a method is only a score; one exact `select` serves them all.

Knows weights and masks; knows no training, no files and no seeds beyond the stream it is handed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lthctl.errors import MaskError
from lthctl.mask import Array, Mask, Shapes, Weights
from lthctl.seeding import Stream

OUTPUT_LAYER_FACTOR = 0.5
"""The output layer is pruned at this fraction of the per-round rate (Frankle & Carbin, 2019, appendix G)."""

Scores = Mapping[str, NDArray[np.floating]]


@dataclass(frozen=True)
class Method:
    """A way of pruning.

    Attributes:
      score: (weights, stream) -> name -> score per weight; high is kept.
      needs_training: whether scores depend on trained weights. Where they do not, no training is spent on them.
    """

    score: Callable[[Weights, Stream], Scores]
    needs_training: bool


def _l1(weights: Weights, stream: Stream) -> Scores:
    """Magnitude."""
    return {name: np.abs(array) for name, array in weights.items()}


def _random(weights: Weights, stream: Stream) -> Scores:
    """Noise."""
    return {name: stream.uniform(weights[name].shape) for name in sorted(weights)}


METHODS: Mapping[str, Method] = {
    "l1": Method(_l1, needs_training=True),
    "random": Method(_random, needs_training=False),
}


def rate_per_round(ratio: float, rounds: int) -> float:
    """The fraction of the remaining weights to remove in each of `rounds` rounds, so that `ratio` of all are gone in
    the end.

    Args:
      ratio: final sparsity, in [0, 1).
      rounds: at least 1.
    """
    return ratio if rounds == 1 else 1 - (1 - ratio) ** (1 / rounds)


def select(scores: Scores, mask: Mask, *, rate: Mapping[str, float]) -> Mask:
    """Choose which of the remaining weights survive a round, to an exact count.

    In every parameter `round(rate[name] * remaining)` of the weights that `mask` keeps are removed: those with the
    lowest scores. Equal scores are decided by position in row-major order: the earlier survives. Weights already
    removed stay removed.

    Args:
      scores: name -> scores of the parameter's shape, finite; high is kept. Not modified.
      mask: the mask so far. Not modified.
      rate: name -> fraction of the remaining weights to remove, in [0, 1).

    Returns:
      A mask on the same names and shapes, nested in `mask`.

    Raises:
      MaskError: scores and mask differ in names or shapes, every difference named; or scores are not finite.
    """
    mask.check_fits({name: array.shape for name, array in scores.items()}, where="scores")
    selected: dict[str, Array] = {}
    for name, kept in mask.items():
        (candidates,) = np.nonzero(kept.ravel())
        values = scores[name].ravel()[candidates]
        if not np.all(np.isfinite(values)):
            raise MaskError(
                f"scores: {name!r} has {np.count_nonzero(~np.isfinite(values))} that are not finite, expected none"
            )
        num_removed = round(rate[name] * len(candidates))
        # Reversed, so that among equals the later one comes first and is removed first.
        ascending = len(values) - 1 - np.argsort(values[::-1], kind="stable")
        survivors = kept.copy()
        survivors.ravel()[candidates[ascending[:num_removed]]] = False
        selected[name] = survivors
    return Mask(selected)  # type: ignore[arg-type]


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
