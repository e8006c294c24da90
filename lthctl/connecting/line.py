"""The straight line between the weights of two runs, and the errors of the networks on it."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import cast

import numpy as np

from lthctl.artifacts.connection import Point, places
from lthctl.datasets.base import Dataset, Split
from lthctl.errors import RunError
from lthctl.library_settings import numpy_defaults
from lthctl.mask import Array, Mask, Weights
from lthctl.models.base import Model
from lthctl.models.mlp import MLP
from lthctl.params import TrainParams
from lthctl.training.engines import resolve

Evaluate = Callable[[Weights, Split], tuple[float, float]]
"""Weights and images -> mean cross-entropy and accuracy."""


def between(a: Weights, b: Weights, place: float) -> dict[str, Array]:
    """The weights at a place on the line: (1 - place) * a + place * b, in float64, rounded once.

    Buffers are treated like weights, running means and variances of batch normalization too. What
    is no number with a fraction, such as a count of batches, is that of the nearer run.

    Args:
      a, b: name -> array, of the same names and shapes.
      place: in [0, 1]; 0 gives `a`, 1 gives `b`, bit for bit.
    """
    nearer = a if place < 0.5 else b
    if place in (0, 1):
        return dict(nearer)
    return {
        name: ((1 - place) * array.astype(np.float64) + place * b[name].astype(np.float64)).astype(
            array.dtype
        )
        if np.issubdtype(array.dtype, np.floating)
        else nearer[name]
        for name, array in a.items()
    }


def engine_for(model: Model) -> str:
    """The engine whose arithmetic evaluates: the sparse one for an MLP where it can, else torch."""
    return resolve(TrainParams(engine="auto", device="cpu"), model).engine


def points_between(
    model: Model,
    ends: tuple[Weights, Weights],
    mask: Mask,
    dataset: Dataset,
    *,
    num_points: int,
    num_jobs: int = 1,
) -> tuple[Point, ...]:
    """Loss and error of networks at equal distances on the line, both ends included.

    Args:
      model: of both ends.
      ends: their weights, 0 outside the mask.
      mask: of both.
      dataset: all its splits are evaluated, each on all of its images.
      num_points: at least 2.
      num_jobs: networks evaluated at the same time, where the engine allows it.
    """
    evaluate = _evaluator(model, mask)
    splits = [
        split for split in (dataset.train, dataset.validation, dataset.test) if split is not None
    ]

    def point(place: float) -> Point:
        weights = between(*ends, place)
        return Point(place, *chain(*(_loss_and_error(evaluate, weights, one) for one in splits)))

    is_alone = engine_for(model) != "sparse"  # torch has one number of threads for all
    with ThreadPoolExecutor(1 if is_alone else num_jobs) as pool:
        return tuple(pool.map(point, places(num_points)))


def _loss_and_error(evaluate: Evaluate, weights: Weights, split: Split) -> tuple[float, float]:
    loss, accuracy = evaluate(weights, split)
    if not math.isfinite(loss):
        raise RunError(f"a loss between two runs is {loss}; train both with a smaller train.lr")
    num_wrong = len(split) - round(accuracy * len(split))
    return loss, num_wrong / len(split)


def _evaluator(model: Model, mask: Mask) -> Evaluate:
    if engine_for(model) == "sparse":
        from lthctl.training.sparse import engine

        sizes = cast(MLP, model).layers

        def with_sparse(weights: Weights, split: Split) -> tuple[float, float]:
            with numpy_defaults():
                return engine.evaluate(sizes, weights, mask, split)

        return with_sparse

    def with_torch(weights: Weights, split: Split) -> tuple[float, float]:
        from lthctl.training.dense import evaluation

        return evaluation.evaluate(model, weights, split)

    return with_torch
