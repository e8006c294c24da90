"""Where the parts of a network stand in the flat arrays of compiled code."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lthctl.mask import Mask, Weights
from lthctl.training.sparse.filling import fill, keep, names_of_layers, num_parts
from lthctl.training.sparse.kernels.network import LAYER, Network
from lthctl.training.sparse.kernels.processor import BLOCK_ROWS, CHUNK_ROWS, LANES, STRIP, WIDE, pad

CROSSOVER = 0.33
"""Density above which a layer's weights are kept in full, and not by what survived.

Measured by benchmarks/crossover.py: a step in full takes 1.82, 1.38, 1.22, 0.99 and 0.77 times as
long at densities of 0.15, 0.2, 0.25, 0.3 and 0.4 (masks by magnitude, medians of 7), 1.62, 1.43,
1.15, 1.01 and 0.77 times (by chance). It was 0.33 with the kernels before, and stays, as it decides
the order of sums: a change of it is a change of `NUMERICS`.
"""

MOSTLY_LIT = 0.6
"""Share of pixels that are not 0 from which on a dense first layer takes whole images. The sums and
their order are the same, as what is passed over would add 0."""

# Columns of a sparse operand that are walked at a time, so that what belongs to them stays in the
# first-level cache: of a pruned layer's weights, and of the pixels of a dense one, at most 256.
TILE, PIXEL_TILE = (208, 208) if WIDE else (112, 160)

# Weights of a row in a tile, on average at the least, as a part's end costs as much as some
# multiplications. Like the two before it changes no sum.
SHORTEST_PART = 32 if WIDE else 8


def pixel_tile(inputs: int) -> int:
    """The inputs of a dense first layer that are walked at a time."""
    return min(PIXEL_TILE, inputs)


def lay_out(
    sizes: Sequence[int],
    weights: Weights,
    mask: Mask,
    batch: int,
    *,
    learning: bool,
    lit: float = 0.0,
) -> Network:
    """A network's flat arrays.

    Args:
      sizes: of the MLP's layers.
      weights: name -> array, already multiplied by the mask. Copied.
      mask: of the prunable ones; all others are kept.
      batch: the most samples at a time.
      learning: whether it is to be trained and not evaluated only.
      lit: the share of the images' pixels that are not 0, about. It changes no result.
    """
    layers = np.zeros(len(sizes) - 1, LAYER)
    room = _Room(pad(batch), learning)
    names = names_of_layers(len(layers))
    for number, ((weight, _), (inputs, outputs)) in enumerate(
        zip(names, pairwise(sizes), strict=True)
    ):
        layer, kept = layers[number], mask.get(weight)
        alive = inputs * outputs if kept is None else int(np.count_nonzero(kept))
        layer["inputs"], layer["outputs"] = inputs, outputs
        room.place_weights(layer, alive)
        if not layer["dense"]:
            room.place_positions(layer, alive, first=number == 0)
        elif number == 0 and lit < MOSTLY_LIT:
            room.place_pixels(layer)
        else:
            layer["tile"] = inputs
        room.place_units(layer, layers[number - 1] if number > 0 else None)
    network = room.network(layers)
    for layer, (weight, bias) in zip(layers, names, strict=True):
        fill(network, layer, weights[weight].astype(np.float32), mask.get(weight))
        outputs, start = layer["outputs"], layer["bias"]
        network.weights[start : start + outputs] = weights[bias]
        keep(network, start, np.broadcast_to(mask.get(bias, True), outputs))
    return network


class _Array:
    """Parts one after another in a flat array, each at the start of a cache line."""

    def __init__(self) -> None:
        self.size = 0

    def place(self, count: int) -> int:
        start, self.size = self.size, self.size + pad(count)
        return start


class _Room:
    """The sizes of a network's arrays, as layer after layer is given its places in them."""

    def __init__(self, samples: int, learning: bool) -> None:
        self._samples, self._learning = samples, learning
        self._weights, self._indices = _Array(), _Array()
        self._nonzero, self._activations = _Array(), _Array()
        self._products, self._scratch = CHUNK_ROWS * STRIP * LANES, 0

    def place_weights(self, layer: Any, alive: int) -> None:
        """Decide how a layer is kept, and make room for its weights and biases."""
        inputs, outputs = int(layer["inputs"]), int(layer["outputs"])
        density = alive / (inputs * outputs)
        layer["dense"], layer["masked"] = density > CROSSOVER, CROSSOVER < density < 1
        layer["count"] = inputs * pad(outputs) if layer["dense"] else alive
        layer["weights"] = self._weights.place(layer["count"])
        layer["bias"] = self._weights.place(outputs)
        if layer["dense"]:
            self._scratch = max(self._scratch, self._samples * pad(outputs))

    def place_positions(self, layer: Any, alive: int, *, first: bool) -> None:
        """For a pruned layer, where its weights are in the matrix."""
        place, inputs, outputs = self._indices.place, int(layer["inputs"]), int(layer["outputs"])
        self._products = max(self._products, alive)
        layer["tile"] = tile_of(inputs, outputs, alive)
        layer["rows"] = place(num_parts(inputs, layer["tile"]) * outputs + 1)
        layer["columns"] = place(alive + LANES)
        if self._learning and not first:
            layer["transposed_tile"] = tile_of(outputs, inputs, alive)
            parts = num_parts(outputs, layer["transposed_tile"])
            layer["transposed_rows"] = place(parts * inputs + 1)
            layer["transposed_columns"] = place(alive)
            layer["transposed_weights"] = place(alive)

    def place_pixels(self, layer: Any) -> None:
        """For a dense first layer, the pixels of a batch that are not 0."""
        layer["pixels"] = 1
        place, inputs = self._indices.place, int(layer["inputs"])
        pixels = self._samples * inputs
        layer["tile"] = pixel_tile(inputs)
        layer["rows"] = place(num_parts(inputs, layer["tile"]) * self._samples + 1)
        layer["columns"] = place(pixels + LANES)
        layer["values"] = self._nonzero.place(pixels + LANES)
        if self._learning:
            layer["transposed_rows"] = place(inputs + 2)
            layer["transposed_columns"] = place(pixels)
            layer["transposed_values"] = self._nonzero.place(pixels)
            layer["lit"] = place(inputs)

    def place_units(self, layer: Any, below: Any) -> None:
        """What goes into a layer, perhaps from the one below, and what comes out of it."""
        if below is not None:
            layer["activations"] = below["results"]
        elif not layer["pixels"]:  # which are taken from the images
            layer["activations"] = self._activations.place(self._samples * pad(layer["inputs"]))
        layer["results"] = self._activations.place(self._samples * pad(layer["outputs"]))
        self._products = max(self._products, pad(layer["outputs"]))

    def network(self, layers: NDArray[np.void]) -> Network:
        weights, activations = self._weights.size, self._activations.size
        moments = weights if self._learning else 0
        return Network(
            layers=layers,
            indices=_zeros(self._indices.size, np.int32),
            weights=_zeros(weights, np.float32),
            moment1=_zeros(moments, np.float32),
            moment2=_zeros(moments, np.float32),
            kept=_zeros(weights // LANES, np.uint16),
            activations=_zeros(activations, np.float32),
            gradients=_zeros(activations if self._learning else 0, np.float32),
            nonzero=_zeros(self._nonzero.size, np.float32),
            scratch=_zeros(self._scratch, np.float32),
            products=_zeros(self._products, np.float32),
        )


def tile_of(columns: int, rows: int, alive: int) -> int:
    """The columns of a pruned layer that are walked at a time: as many as keep what belongs to them
    in the first-level cache, unless the rows of a tile would be so short that their ends cost more
    than that saves."""
    tiles = min(num_parts(columns, TILE), max(1, alive // (SHORTEST_PART * rows)))
    return num_parts(columns, tiles)


def _zeros(count: int, dtype: type[np.generic]) -> NDArray[Any]:
    """Zeros from the start of a cache line, as a vector across two costs twice. More than asked
    for, because kernels read and write whole blocks."""
    size = (count + BLOCK_ROWS * STRIP * LANES) * np.dtype(dtype).itemsize
    memory = np.zeros(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype)
