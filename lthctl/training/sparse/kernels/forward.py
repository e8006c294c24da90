"""The forward pass of a layer."""

from lthctl.training.sparse.kernels.compiling import compiled
from lthctl.training.sparse.kernels.dense import multiply_samples
from lthctl.training.sparse.kernels.network import Network
from lthctl.training.sparse.kernels.processor import LANES, STRIP
from lthctl.training.sparse.kernels.products import multiply
from lthctl.training.sparse.kernels.strips import find_panel, for_width, padded
from lthctl.training.sparse.kernels.tiles import transpose
from lthctl.training.sparse.kernels.vectors import add, get, load, spread, store, where_positive


@compiled
def multiply_all(network: Network, number: int, batch: int) -> None:
    """A dense layer's products with its input, by sample, into the scratch."""
    layer = network.layers[number]
    inputs, goals, samples = padded(layer.inputs), padded(layer.outputs) // LANES, padded(batch)
    x, weights = network.activations[layer.activations :], network.weights[layer.weights :]
    for first in range(0, goals, STRIP):
        there, here = (
            weights[first * layer.inputs * LANES :],
            network.scratch[first * samples * LANES :],
        )
        operands = x, batch, inputs, layer.inputs, there, here
        for_width(multiply_samples, min(STRIP, goals - first), operands)


@compiled
def forward(network: Network, number: int, batch: int) -> None:
    """One layer: results = weights @ activations + bias, and ReLU unless it is the last.

    The products of a layer that takes pixels are there before.
    """
    layer, panels = network.layers[number], padded(batch) // LANES
    inputs, outputs = padded(layer.inputs), padded(layer.outputs)
    x, y = network.activations[layer.activations :], network.activations[layer.results :]
    weights = network.weights[layer.weights :]
    if layer.dense:
        if not layer.pixels:
            multiply_all(network, number, batch)
        transpose(network.scratch, outputs // LANES, panels * LANES, y)
    else:
        rows, columns = network.indices[layer.rows :], network.indices[layer.columns :]
        tiles = -(-layer.inputs // layer.tile)
        multiply(rows, tiles, columns, weights, x, inputs, y, outputs, layer.outputs, panels)
    hidden = number + 1 < len(network.layers)
    for panel in range(panels):
        at, along = find_panel(panel, panels, outputs)
        for i in range(layer.outputs):
            k = at + i * along
            z = add(load(y, k), spread(get(network.weights, layer.bias + i)))
            store(y, k, where_positive(z, z) if hidden else z)
