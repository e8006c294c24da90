"""The backward pass of a layer: the gradient by its input, and the optimizer's step."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lthctl.training.sparse.kernels.compiling import compiled
from lthctl.training.sparse.kernels.dense import multiply_inputs, multiply_outputs
from lthctl.training.sparse.kernels.network import Examples, Floats, Indices, Network
from lthctl.training.sparse.kernels.optimizer import Rule, adjust, descend
from lthctl.training.sparse.kernels.pixels import (
    collect_pixels,
    multiply_pixels,
    read_batch,
    transpose_pixels,
)
from lthctl.training.sparse.kernels.processor import AHEAD, CHUNK_ROWS, LANES, STRIP, WIDE
from lthctl.training.sparse.kernels.products import add_row, multiply, sample
from lthctl.training.sparse.kernels.strips import block_panels, find_panel, for_width, padded
from lthctl.training.sparse.kernels.tiles import transpose
from lthctl.training.sparse.kernels.vectors import (
    add,
    fetch,
    get,
    load,
    load_all,
    spread,
    store,
    store_sums,
    where_kept,
    where_positive,
)


@compiled
def descend_dense(
    like: Any,
    x: Floats,
    batch: int,
    columns: int,
    gyt: Floats,
    products: Floats,
    rule: Rule,
    masked: bool,
    kept: NDArray[np.uint16],
    weights: Floats,
    moment1: Floats,
    moment2: Floats,
    inputs: int,
) -> None:
    """The weights' step of one strip of a dense layer, whose arrays begin with it."""
    block, along = block_panels(like), len(like) * LANES
    for begin in range(0, inputs, CHUNK_ROWS):
        end = min(begin + CHUNK_ROWS, inputs)
        multiply_inputs(like, x, batch, columns, begin, end, gyt, products)
        for k in range(begin * along, end * along, len(block) * LANES):
            gradient = load_all(block, products, k - begin * along)
            adjust(rule, masked, kept, weights, moment1, moment2, k, gradient)


@compiled
def descend_strip(
    zeros: Any,
    lit: Indices,
    ends: Indices,
    samples: int,
    columns: Indices,
    values: Floats,
    gyt: Floats,
    rule: Rule,
    masked: bool,
    kept: NDArray[np.uint16],
    weights: Floats,
    moment1: Floats,
    moment2: Floats,
    inputs: int,
) -> None:
    """The weights' step of one strip of a first layer that takes pixels, whose arrays begin with
    it."""
    for i in range(inputs):
        if get(lit, i) == 0 and rule.weight_decay == 0:
            continue  # gradients and moments are 0, and the weights stay where they are
        gradient = add_row(i * samples, get(ends, i), columns, values, gyt, zeros)
        k = i * (len(zeros) * LANES)
        for panel in range(len(zeros) if WIDE else 0):  # narrower processors lost 5 % by it
            ahead = k + (AHEAD * len(zeros) + panel) * LANES
            fetch(weights, ahead)
            fetch(moment1, ahead)
            fetch(moment2, ahead)
        adjust(rule, masked, kept, weights, moment1, moment2, k, gradient)


@compiled
def backward_pixels(
    network: Network, examples: Examples, upcoming: NDArray[np.int64], panels: int, rule: Rule
) -> None:
    """The weights' step of a first layer that takes pixels; and its products with the next batch,
    while the weights are near.

    `upcoming` is the next batch's row of the order, or none.
    """
    layer = network.layers[0]
    outputs, samples = padded(layer.outputs), panels * LANES
    rows, columns = (
        network.indices[layer.transposed_rows :],
        network.indices[layer.transposed_columns :],
    )
    lit = network.indices[layer.lit :]
    values, gyt = network.nonzero[layer.transposed_values :], network.scratch  # (sample, output)
    transpose_pixels(network, samples)
    transpose(network.gradients[layer.results :], panels, outputs, gyt)
    for order in upcoming:
        collect_pixels(network, examples, order, samples)
    goals = outputs // LANES
    for first in range(0, goals, STRIP):
        at = layer.weights + first * layer.inputs * LANES
        gradients, kept = gyt[first * samples * LANES :], network.kept[at // LANES :]
        weights, moment1, moment2 = network.weights[at:], network.moment1[at:], network.moment2[at:]
        state = rule, layer.masked, kept, weights, moment1, moment2, layer.inputs
        width = min(STRIP, goals - first)
        for_width(descend_strip, width, (lit, rows, samples, columns, values, gradients, *state))
        if len(upcoming) > 0:  # in the gradients' place
            multiply_pixels(network, first, width, samples)


@compiled
def backward_dense(network: Network, number: int, batch: int, rule: Rule) -> None:
    """A dense layer's input gradient, if a layer is below it, and its weights' step."""
    layer = network.layers[number]
    inputs, outputs, panels = padded(layer.inputs), padded(layer.outputs), padded(batch) // LANES
    x, gx = network.activations[layer.activations :], network.gradients[layer.activations :]
    gy, gyt = (
        network.gradients[layer.results :],
        network.scratch,
    )  # (output, sample), (sample, output)
    weights, products = network.weights[layer.weights :], network.products
    goals = outputs // LANES
    if number > 0:
        for first in range(0, panels, STRIP):
            there, here = gy[first * outputs * LANES :], gx[first * inputs * LANES :]
            operands = weights, layer.outputs, layer.inputs, there, here
            for_width(multiply_outputs, min(STRIP, panels - first), operands)
        for k in range(0, panels * LANES * inputs, LANES):
            store(gx, k, where_positive(load(x, k), load(gx, k)))
    transpose(gy, panels, outputs, gyt)
    for first in range(0, goals, STRIP):
        at = layer.weights + first * layer.inputs * LANES
        kept, there = network.kept[at // LANES :], gyt[first * panels * LANES * LANES :]
        state = (
            rule,
            layer.masked,
            kept,
            network.weights[at:],
            network.moment1[at:],
            network.moment2[at:],
        )
        for_width(
            descend_dense,
            min(STRIP, goals - first),
            (x, batch, inputs, there, products, *state, layer.inputs),
        )


@compiled
def backward_pruned(network: Network, number: int, panels: int, rule: Rule) -> None:
    """A pruned layer's input gradient, if a layer is below it, and its weights' step."""
    layer = network.layers[number]
    inputs, outputs = padded(layer.inputs), padded(layer.outputs)
    x, gx = network.activations[layer.activations :], network.gradients[layer.activations :]
    gy, products = network.gradients[layer.results :], network.products
    weights = network.weights[layer.weights :]
    moment1, moment2 = network.moment1[layer.weights :], network.moment2[layer.weights :]
    if number > 0:
        positions = network.indices[layer.transposed_weights :]
        for k in range(layer.count):
            products[k] = get(weights, get(positions, k))
        rows = network.indices[layer.transposed_rows :]
        columns = network.indices[layer.transposed_columns :]
        tiles = -(-layer.outputs // layer.transposed_tile)
        multiply(rows, tiles, columns, products, gy, outputs, gx, inputs, layer.inputs, panels)
        for k in range(0, panels * LANES * inputs, LANES):
            store(gx, k, where_positive(load(x, k), load(gx, k)))
    rows, columns = network.indices[layer.rows :], network.indices[layer.columns :]
    tiles = -(-layer.inputs // layer.tile)
    operands = columns, gy, outputs, x, inputs, products
    for_width(sample, min(STRIP, panels), (rows, tiles, *operands, layer.outputs, panels))
    for k in range(0, layer.count, LANES):
        descend(rule, weights, moment1, moment2, k, load(products, k))


@compiled
def descend_biases(network: Network, number: int, panels: int, rule: Rule) -> None:
    layer = network.layers[number]
    outputs = padded(layer.outputs)
    gy, products = network.gradients[layer.results :], network.products
    for i in range(0, outputs, 8):
        a = b = c = d = e = f = g = h = spread(np.float32(0))
        for panel in range(panels):
            at, along = find_panel(panel, panels, outputs)
            at += i * along
            a, b = add(a, load(gy, at)), add(b, load(gy, at + along))
            c, d = add(c, load(gy, at + 2 * along)), add(d, load(gy, at + 3 * along))
            e, f = add(e, load(gy, at + 4 * along)), add(f, load(gy, at + 5 * along))
            g, h = add(g, load(gy, at + 6 * along)), add(h, load(gy, at + 7 * along))
        store_sums(products, i, (a, b, c, d, e, f, g, h))
    for i in range(0, outputs, LANES):
        gradient = where_kept(network.kept, layer.bias + i, load(products, i))
        descend(rule, network.weights, network.moment1, network.moment2, layer.bias + i, gradient)


@compiled
def backward(network: Network, number: int, batch: int, rule: Rule) -> None:
    """A layer: the gradient by its input, if a layer is below it, and an optimizer step."""
    if network.layers[number].dense:
        backward_dense(network, number, batch, rule)
    else:
        backward_pruned(network, number, padded(batch) // LANES, rule)
    descend_biases(network, number, padded(batch) // LANES, rule)


@compiled
def backward_first(
    network: Network, examples: Examples, upcoming: NDArray[np.int64], batch: int, rule: Rule
) -> None:
    """The first layer: an optimizer step, and the next batch, if there is one."""
    panels = padded(batch) // LANES
    if network.layers[0].pixels:
        backward_pixels(network, examples, upcoming, panels, rule)
        descend_biases(network, 0, panels, rule)
    else:
        backward(network, 0, batch, rule)
        for order in upcoming:
            read_batch(network, examples, order, panels)
