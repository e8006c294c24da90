"""A batch's images as the first layer takes them: whole, or only the pixels that are not 0."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lthctl.training.sparse.kernels.compiling import compiled
from lthctl.training.sparse.kernels.network import Examples, Floats, Network
from lthctl.training.sparse.kernels.processor import COLUMN, LANES, STRIP
from lthctl.training.sparse.kernels.products import multiply_strip
from lthctl.training.sparse.kernels.strips import find_panel, for_width, padded
from lthctl.training.sparse.kernels.tiles import copy_pixels, gather_tile
from lthctl.training.sparse.kernels.vectors import get, put


@compiled
def gather(
    images: NDArray[Any], order: NDArray[np.int64], batch: int, scale: np.float32, target: Floats
) -> None:
    """Images of one batch, scaled, as strips of samples; 0 past the batch's end."""
    inputs, panels = images.shape[1], padded(batch) // LANES
    for panel in range(panels):
        at, along = find_panel(panel, panels, padded(inputs))
        first = panel * LANES
        count = min(LANES, batch - first)
        for feature in range(0, inputs - LANES + 1, LANES):
            gather_tile(
                images, order, first, count, feature, scale, target, at + feature * along, along
            )
        for feature in range(inputs - inputs % LANES, inputs):
            to = at + feature * along
            for i in range(count):
                target[to + i] = np.float32(images[order[first + i], feature]) * scale
            target[to + count : to + LANES] = 0


@compiled
def collect_pixels(
    network: Network, examples: Examples, order: NDArray[np.int64], samples: int
) -> None:
    """The nonzero pixels of a batch, tile by tile and sample by sample, for a dense first layer."""
    layer = network.layers[0]
    rows, columns = network.indices[layer.rows :], network.indices[layer.columns :]
    values = network.nonzero[layer.values :]
    tiles = -(-layer.inputs // layer.tile)
    part = k = 0
    for tile in range(tiles):
        for i in range(samples):
            put(rows, part, k)
            part += 1
            if i < len(order):
                here = get(order, i) * tiles + tile
                begin, end = get(examples.starts, here), get(examples.starts, here + 1)
                for pixel in range(begin, end, LANES):
                    to = k + pixel - begin
                    copy_pixels(
                        examples.places,
                        examples.shades,
                        pixel,
                        tile * layer.tile,
                        examples.scale,
                        columns,
                        values,
                        to,
                    )
                k += end - begin
    put(rows, part, k)


@compiled
def multiply_pixels(network: Network, first: int, width: int, samples: int) -> None:
    """A strip of a dense first layer's products with the collected pixels, by sample."""
    layer = network.layers[0]
    rows, columns = network.indices[layer.rows :], network.indices[layer.columns :]
    values, weights = (
        network.nonzero[layer.values :],
        network.weights[layer.weights + first * layer.inputs * LANES :],
    )
    yt, tiles = network.scratch[first * samples * LANES :], -(-layer.inputs // layer.tile)
    for_width(multiply_strip, width, (rows, tiles, columns, values, weights, yt, samples))


@compiled
def read_batch(network: Network, examples: Examples, order: NDArray[np.int64], panels: int) -> None:
    """Images as the first layer takes them; for a dense one, its products with them."""
    layer = network.layers[0]
    if layer.pixels:
        collect_pixels(network, examples, order, panels * LANES)
        goals = padded(layer.outputs) // LANES
        for first in range(0, goals, STRIP):
            multiply_pixels(network, first, min(STRIP, goals - first), panels * LANES)
    else:
        gather(examples.images, order, len(order), examples.scale, network.activations)


@compiled
def transpose_pixels(network: Network, samples: int) -> None:
    """The same pixels by input and then by sample; an input has room for one of every sample."""
    layer = network.layers[0]
    rows, columns = network.indices[layer.rows :], network.indices[layer.columns :]
    values = network.nonzero[layer.values :]
    by_input, numbers = (
        network.indices[layer.transposed_rows :],
        network.indices[layer.transposed_columns :],
    )
    shades = network.nonzero[layer.transposed_values :]
    lit = network.indices[layer.lit :]
    for i in range(layer.inputs):
        put(by_input, i, i * samples)
    tiles = -(-layer.inputs // layer.tile)
    for part in range(tiles * samples):
        sample = part % samples * COLUMN
        for k in range(get(rows, part), get(rows, part + 1)):
            i = get(columns, k) // COLUMN
            to = get(by_input, i)
            put(by_input, i, to + 1)
            put(numbers, to, sample)
            put(shades, to, get(values, k))
    for i in range(layer.inputs):
        if get(by_input, i) > i * samples:
            put(lit, i, 1)
