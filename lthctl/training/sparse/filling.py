"""Weights and masks on their way into the flat arrays of a network, and back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lthctl.mask import Array, Bools
from lthctl.training.sparse.kernels.network import Floats, Network
from lthctl.training.sparse.kernels.processor import COLUMN, LANES, STRIP, pad


def fill(network: Network, layer: Any, weight: Floats, kept: Bools | None) -> None:
    """Put the weights (output, input) of a layer in their places, and say which are kept."""
    inputs = int(layer["inputs"])
    part = slice(layer["weights"], layer["weights"] + layer["count"])
    if layer["dense"]:
        network.weights[part] = _in_strips(weight)
        if kept is not None:
            keep(network, layer["weights"], _in_strips(kept))
        return
    alive = np.arange(weight.size) if kept is None else np.flatnonzero(kept)
    output, column = np.divmod(alive, inputs)
    order, starts = _tiled(output, column, int(layer["outputs"]), inputs, int(layer["tile"]))
    output, column = output[order], column[order]
    parts = {"rows": starts, "columns": column * COLUMN}
    if layer["transposed_tile"]:
        back, starts = _tiled(
            column, output, inputs, int(layer["outputs"]), int(layer["transposed_tile"])
        )
        parts |= {
            "transposed_rows": starts,
            "transposed_columns": output[back] * COLUMN,
            "transposed_weights": back,
        }
    for name, values in parts.items():
        network.indices[layer[name] : layer[name] + len(values)] = values
    network.weights[part] = weight.reshape(-1)[alive[order]]


def keep(network: Network, start: int, kept: Bools) -> None:
    """Note in `kept`, a bit per weight, which of the weights from `start` are kept."""
    bits = np.zeros(pad(len(kept)), np.bool_)
    bits[: len(kept)] = kept
    words = (
        np.packbits(bits.reshape(-1, LANES), axis=1, bitorder="little").view(np.uint16).reshape(-1)
    )
    network.kept[start // LANES : start // LANES + len(words)] = words


def _tiled(
    rows: NDArray[np.int64], columns: NDArray[np.int64], num_rows: int, num_columns: int, tile: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The order of a sparse matrix's entries by tile of columns, row and column, and where each
    tile's rows start."""
    part = columns // tile * num_rows + rows
    order = np.lexsort((columns, part))
    return order, np.searchsorted(
        part[order], np.arange(num_parts(num_columns, tile) * num_rows + 1)
    )


def num_parts(whole: int, part: int) -> int:
    """How many parts of a size, the last perhaps smaller, make up a whole."""
    return -(-whole // part)


def _in_strips(weight: NDArray[Any]) -> NDArray[Any]:
    """(output, input) as strips of outputs, flat."""
    outputs, inputs = weight.shape
    panels = np.zeros((pad(outputs) // LANES, LANES, inputs), weight.dtype)
    panels.reshape(-1, inputs)[:outputs] = weight
    strips = [panels[first : first + STRIP] for first in range(0, len(panels), STRIP)]
    return np.concatenate([strip.transpose(2, 0, 1).reshape(-1) for strip in strips])


def _from_strips(flat: Floats, outputs: int, inputs: int) -> Floats:
    """The weights of `_in_strips`."""
    size = STRIP * LANES * inputs
    strips = [flat[start : start + size].reshape(inputs, -1) for start in range(0, len(flat), size)]
    return np.concatenate([strip.T for strip in strips])[:outputs].copy()


def weights_of(network: Network) -> dict[str, Array]:
    """The weights of a network by name, pruned ones exactly 0."""
    result: dict[str, Array] = {}
    for layer, (weight, bias) in zip(
        network.layers, names_of_layers(len(network.layers)), strict=True
    ):
        inputs, outputs = int(layer["inputs"]), int(layer["outputs"])
        values = network.weights[layer["weights"] : layer["weights"] + layer["count"]]
        if layer["dense"]:
            result[weight] = _from_strips(values, outputs, inputs)
        else:
            parts = num_parts(inputs, int(layer["tile"])) * outputs
            starts = network.indices[layer["rows"] : layer["rows"] + parts]
            columns = network.indices[layer["columns"] : layer["columns"] + layer["count"]]
            result[weight] = np.zeros((outputs, inputs), np.float32)
            rows = np.repeat(np.arange(parts) % outputs, np.diff(starts, append=len(values)))
            result[weight][rows, columns // COLUMN] = values
        result[bias] = network.weights[layer["bias"] : layer["bias"] + outputs].copy()
    return result


def names_of_layers(num_layers: int) -> list[tuple[str, str]]:
    return [(f"layers.{i}.weight", f"layers.{i}.bias") for i in range(num_layers)]
