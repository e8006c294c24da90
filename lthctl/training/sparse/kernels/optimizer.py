"""SGD and Adam, as torch applies them in float32."""

from typing import Any, NamedTuple

import numpy as np

from lthctl.training.sparse.kernels.compiling import compiled, inlined
from lthctl.training.sparse.kernels.network import Floats
from lthctl.training.sparse.kernels.processor import LANES
from lthctl.training.sparse.kernels.vectors import (
    divide,
    load,
    load_all,
    multiply_add,
    root,
    spread,
    store,
    subtract,
    times,
    where_kept,
    without_dust,
)

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8

DUSTING = 64  # steps, in which Adam shrinks a moment by a factor of 1000 at most


class Rule(NamedTuple):
    """The optimizer at one step, in float32 as torch applies it."""

    adam: bool
    rate: np.float32  # minus the learning rate; Adam: divided by its first bias correction
    correction: np.float32  # Adam: 1 / the square root of its second bias correction
    momentum: np.float32
    weight_decay: np.float32
    # Adam's constants: compiled code keeps in registers what it is given, and loads what it knows.
    share1: np.float32  # of the gradient in its mean
    decay2: np.float32  # of the mean square
    share2: np.float32  # of the gradient's square in it
    epsilon: np.float32


@inlined
def descend(
    rule: Rule, weights: Floats, moment1: Floats, moment2: Floats, at: int, gradient: Any
) -> None:
    """Let the optimizer move the weights from `at`, as many as the gradient's."""
    w, m = load_all(gradient, weights, at), load_all(gradient, moment1, at)
    g = multiply_add(spread(rule.weight_decay), w, gradient)
    if rule.adam:
        m = multiply_add(subtract(g, m), spread(rule.share1), m)
        v = times(load_all(gradient, moment2, at), spread(rule.decay2))
        v = multiply_add(times(g, g), spread(rule.share2), v)
        store(moment2, at, v)
        scale = multiply_add(root(v), spread(rule.correction), spread(rule.epsilon))
        change = divide(m, scale)
    else:
        m = change = multiply_add(spread(rule.momentum), m, g)
    store(moment1, at, m)
    store(weights, at, multiply_add(spread(rule.rate), change, w))


@compiled
def dust(moments: Floats) -> None:
    """Set to 0 what is smaller than 1e-30."""
    for k in range(0, len(moments), LANES):
        store(moments, k, without_dust(load(moments, k)))


@inlined
def adjust(
    rule: Rule,
    masked: bool,
    kept: Any,
    weights: Floats,
    moment1: Floats,
    moment2: Floats,
    k: int,
    gradient: Any,
) -> None:
    """Let the optimizer move a dense layer's weights, but no pruned ones."""
    if masked:
        gradient = where_kept(kept, k, gradient)
    descend(rule, weights, moment1, moment2, k, gradient)
