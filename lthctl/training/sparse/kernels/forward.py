"""The forward pass of a layer."""

from lthctl.training.sparse.kernels.compiling import compiled
from lthctl.training.sparse.kernels.network import Network
from lthctl.training.sparse.kernels.processor import LANES, STRIP
from lthctl.training.sparse.kernels.products import multiply, multiply_dense
from lthctl.training.sparse.kernels.strips import find_panel, for_width, padded
from lthctl.training.sparse.kernels.tiles import transpose
from lthctl.training.sparse.kernels.vectors import add, get, load, spread, store, where_positive


@compiled
def forward(network: Network, number: int, panels: int) -> None:
    """One layer: results = weights @ activations + bias, and ReLU unless it is the last.

    A dense first layer's products are there before.
    """
    layer = network.layers[number]
    inputs, outputs = padded(layer.inputs), padded(layer.outputs)
    x, y = network.activations[layer.activations :], network.activations[layer.results :]
    weights = network.weights[layer.weights :]
    if layer.dense and number == 0:
        transpose(network.scratch, outputs // LANES, panels * LANES, y)
    elif layer.dense:
        for first in range(0, panels, STRIP):
            there, here = x[first * inputs * LANES :], y[first * outputs * LANES :]
            for_width(
                multiply_dense,
                min(STRIP, panels - first),
                (weights, layer.outputs, layer.inputs, there, here),
            )
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
