"""How the first weights of layers are drawn, fully connected ones and convolutions.

Each is an entry of `INITIALIZATIONS`, and its name stands in `lthctl.parameter_types.Init`. fan_in
and fan_out are a layer's numbers of inputs and outputs; those of a convolution are its channels
times the size of its kernel, as in torch. Numbers are float64 here and become float32 once, at the
end.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lthctl.parameter_types import Init
from lthctl.seeding import Stream

Floats = NDArray[np.float64]
Draw = Callable[[Stream, tuple[int, ...]], Floats]


@dataclass(frozen=True)
class Initialization:
    """How a layer's first weights and biases are drawn.

    Attributes:
      weights: takes a stream and the shape: (outputs, inputs), or (outputs, inputs, height, width)
        of a convolution.
      biases: takes a stream and fan_in and fan_out, and gives fan_out numbers; None: all are 0.
    """

    weights: Draw
    biases: Callable[[Stream, int, int], Floats] | None = None


def fans_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """The numbers of inputs and of outputs of a layer whose weights have this shape.

    Example:
      >>> fans_of((64, 3, 3, 3))
      (27, 576)
    """
    return math.prod(shape[1:]), shape[0] * math.prod(shape[2:])


def uniform_within(stream: Stream, shape: tuple[int, ...], bound: float) -> Floats:
    """Uniform numbers in [-bound, bound)."""
    numbers: Floats = (2 * stream.uniform(shape) - 1) * bound
    return numbers


def orthogonal(stream: Stream, shape: tuple[int, ...]) -> Floats:
    """A matrix with orthonormal rows, or columns where it has more rows than columns, uniform among
    all of these (Saxe, McClelland & Ganguli, 2014; Mezzadri, 2007). The kernels of an output of a
    convolution are one row.

    Gaussian columns are made orthonormal by the modified Gram-Schmidt process, twice. That is the Q
    of a QR decomposition whose R has a positive diagonal. LAPACK's sums differ between processors;
    these are elementwise, in a fixed order.
    """
    sides = shape[0], math.prod(shape[1:])
    tall = stream.normal((max(sides), min(sides)))  # (longer side, shorter side)
    for _ in range(2):  # once leaves errors that grow with the condition of the matrix
        for column in range(tall.shape[1]):
            unit = tall[:, column] / math.sqrt(_sums(tall[:, column : column + 1] ** 2)[0])
            rest = tall[:, column + 1 :]
            rest -= unit[:, None] * _sums(unit[:, None] * rest)
            tall[:, column] = unit
    return (tall if sides[0] >= sides[1] else np.ascontiguousarray(tall.T)).reshape(shape)


def _sums(rows: Floats) -> Floats:
    """The sum of every column, one row after the other, whatever the processor."""
    sums: Floats = np.cumsum(rows, axis=0)[-1]
    return sums


INITIALIZATIONS: dict[Init, Initialization] = {
    # The default of torch's layers, U(-b, b) with b = 1 / sqrt(fan_in), for biases too.
    "uniform": Initialization(
        lambda stream, shape: (2 * stream.uniform(shape) - 1) / np.sqrt(fans_of(shape)[0]),
        lambda stream, fan_in, fan_out: (2 * stream.uniform((fan_out,)) - 1) / np.sqrt(fan_in),
    ),
    # N(0, 2 / (fan_in + fan_out)) (Glorot & Bengio, 2010); torch's xavier_normal_.
    "glorot": Initialization(
        lambda stream, shape: stream.normal(shape) * np.sqrt(2 / sum(fans_of(shape)))
    ),
    # U(-b, b) with b = sqrt(6 / (fan_in + fan_out)) (the same); torch's xavier_uniform_.
    "glorot-uniform": Initialization(
        lambda stream, shape: uniform_within(stream, shape, math.sqrt(6 / sum(fans_of(shape))))
    ),
    # N(0, 2 / fan_in), for ReLU (He et al., 2015); torch's kaiming_normal_ for relu.
    "kaiming-normal": Initialization(
        lambda stream, shape: stream.normal(shape) * math.sqrt(2 / fans_of(shape)[0])
    ),
    # U(-b, b) with b = sqrt(6 / fan_in), for ReLU (the same); torch's kaiming_uniform_ for relu.
    "kaiming-uniform": Initialization(
        lambda stream, shape: uniform_within(stream, shape, math.sqrt(6 / fans_of(shape)[0]))
    ),
    # As orthogonal_ of torch, with gain 1.
    "orthogonal": Initialization(orthogonal),
}
