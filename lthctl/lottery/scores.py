"""Pruning methods: a method is only a score."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lthctl.mask import Weights
from lthctl.seeding import Stream

Scores = Mapping[str, NDArray[np.floating]]


@dataclass(frozen=True)
class Method:
    """A way of pruning.

    Attributes:
      score: (weights, stream) -> name -> score per weight; high is kept.
      needs_training: whether scores depend on trained weights. Where they do not, no training is
        spent on them.
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


def needs_training(method: str) -> bool:
    """Whether tickets of this method came out of trainings that lthctl ran."""
    return method in METHODS and METHODS[method].needs_training
