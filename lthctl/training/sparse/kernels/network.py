"""The arrays that kernels are given: a network's, and a split's images and labels."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

Indices = NDArray[np.int32]

LAYER = np.dtype(
    [
        (name, np.int64)
        for name in (
            "dense",  # which kernel
            "pixels",  # of a dense first layer: whether it takes only pixels that are not 0
            "inputs",
            "outputs",
            "weights",  # where its weights begin in `weights` and in the optimizer's moments
            "count",  # and how many floats they are
            "bias",  # the same for its biases
            "masked",  # whether a dense layer has pruned weights, which `kept` holds at 0
            # the sparse operand: a pruned layer's weights by output, or for a dense first layer
            # the batch's nonzero pixels by sample; columns are numbered in bytes, COLUMN apart
            "rows",
            "columns",
            "values",
            "tile",  # how many of its columns are walked at a time
            # the same by input, for gradients (of pixels: where each input's end); not for a pruned
            # first layer
            "transposed_rows",
            "transposed_columns",
            "transposed_values",  # of the pixels
            "lit",  # of a dense first layer: whether an input was ever anything but 0
            "transposed_weights",  # where a pruned layer's weights stand in the order by output
            "transposed_tile",
            "activations",  # where its input, and the gradient by its input, begin
            "results",  # the same for its output
        )
    ]
)


class Examples(NamedTuple):
    """A split as compiled code takes it, which checks no bounds."""

    images: NDArray[Any]  # (n, inputs), uint8 or float32
    labels: NDArray[np.int64]
    scale: np.float32  # what pixels are multiplied with
    # Where the first layer takes them: the pixels that are not 0, image by image, and 16 zeros.
    starts: NDArray[np.int64]  # (n * tiles + 1,), of each image's tiles
    places: NDArray[np.uint8]  # in their tile
    shades: NDArray[Any]  # as in the images


class Network(NamedTuple):
    """What a training touches besides images and labels: flat arrays, with a part per layer."""

    layers: NDArray[np.void]
    indices: Indices
    weights: Floats
    moment1: Floats
    moment2: Floats
    kept: NDArray[np.uint16]
    activations: Floats
    gradients: Floats
    nonzero: Floats
    scratch: Floats
    products: Floats
