"""The sparse engine: MLPs on a CPU, trained at the cost of the weights that are left.

Lays a network out in flat arrays for `kernels`, which holds the arithmetic and says how it works:
weights of a pruned
layer by what survived, those of a denser one in full. A training needs memory for its weights and
one batch: 4.4 MB dense and 0.8 MB at 97 % sparsity for 784-300-100-10 and batches of 60; the images
are shared, and with them, where a first layer is dense, the pixels that are not 0, once more (20 MB
for MNIST's 60,000).
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

import numba
import numpy as np
from numpy.typing import NDArray

from lthctl.datasets.base import Split
from lthctl.errors import DataError
from lthctl.mask import Array, Bools, Mask, Weights
from lthctl.models.mlp import MLP
from lthctl.training.history import Result, Row
from lthctl.training.sparse import kernels
from lthctl.training.sparse.kernels import (
    BLOCK_ROWS,
    CHUNK_ROWS,
    COLUMN,
    LANES,
    LAYER,
    STRIP,
    WIDE,
    Examples,
    Floats,
    Network,
)
from lthctl.training.spec import OnStep, Training

CROSSOVER = 0.33
"""Density above which a layer's weights are kept in full, and not by what survived.

Measured by benchmarks/crossover.py: a step in full takes 1.82, 1.38, 1.22, 0.99 and 0.77 times as
long at densities of 0.15, 0.2, 0.25, 0.3 and 0.4 (masks by magnitude, medians of 7), 1.62, 1.43,
1.15, 1.01 and 0.77 times (by chance). It
was 0.33 with the kernels before, and stays, as it decides the order of sums: a change of it is a
change of `NUMERICS`.
"""


# Columns of a sparse operand that are walked at a time, so that what belongs to them stays in the
# first-level cache: a pruned layer's weights, and the pixels of a dense one, at most 256. And
# weights of a row in a tile, on average at the least, as a part's end costs as much as some
# multiplications. They change no sum.
TILE, PIXEL_TILE, SHORTEST_PART = (208, 208, 32) if WIDE else (112, 160, 8)


IMAGES_AT_A_TIME = 4096  # whose nonzero pixels are found


EVALUATION_BATCH = 64  # images at a time: four panels


EVALUATION_WORK = 2_000_000_000  # weights times images in one compiled call, about 0.1 s


CALL_SECONDS = 0.1  # of training in one compiled call, so that it can be cancelled


CALL_INDICES = 1 << 16  # samples in one compiled call at the most


def train(training: Training, on_step: OnStep) -> Result:
    """Run a training of an MLP; see `lthctl.engine.run`."""
    params = training.params
    batch = max(params.batch_size, EVALUATION_BATCH)
    sizes = _sizes(training)
    network = lay_out(sizes, training.start, training.mask, batch, learning=True)
    splits = (training.dataset.train, training.dataset.validation, training.dataset.test)
    samples, *evaluated = [Samples(split, network) for split in splits if split is not None]
    order = training.batch_order()
    history: list[Row] = []
    step, count, loss_sum, last_row = 0, 1, 0.0, 0
    while step < params.steps:
        count = min(
            count, params.steps - step, params.evaluate_every - step % params.evaluate_every
        )
        losses = np.empty(count)
        began = time.perf_counter()
        kernels.train(
            network,
            samples.examples,
            order.batches(step, count),
            step + 1,
            params.optimizer == "adam",
            params.lr,
            params.momentum,
            params.weight_decay,
            losses,
        )
        seconds = time.perf_counter() - began
        step += count
        for loss in (
            losses
        ):  # one after another, so that `count`, which depends on the clock, leaves no trace
            loss_sum += float(loss)
        if step % params.evaluate_every == 0 or step == params.steps:
            mean = loss_sum / (step - last_row)
            if not math.isfinite(mean):
                raise FloatingPointError(f"the training loss is {mean} at step {step}")
            scores = [
                value
                for split in evaluated
                for value in split.evaluate(network, partial(on_step, step))
            ]
            history.append(Row(step, mean, *scores))
            loss_sum, last_row = 0.0, step
        on_step(step)
        fitting = int(count * CALL_SECONDS / max(seconds, 1e-9))
        count = max(1, min(2 * count, fitting, CALL_INDICES // params.batch_size))
    return Result(_weights_of(network), tuple(history))


def evaluate(
    sizes: Sequence[int], weights: Weights, mask: Mask, split: Split
) -> tuple[float, float]:
    """Mean cross-entropy and accuracy of an MLP over a split; of equal logits the first class is
    the answer.

    Args:
      sizes: of the MLP's layers.
      weights: name -> array, already multiplied by the mask.
      mask: which of them may be anything but 0.
      split: images and labels.
    """
    network = lay_out(sizes, weights, mask, EVALUATION_BATCH, learning=False)
    return Samples(split, network).evaluate(network, lambda: None)


def is_compiled(training: Training) -> bool:
    """Whether a training starts at once, and not after some twenty seconds of compiling."""
    for dispatcher, arguments in _smallest_calls(training):
        signature = tuple(numba.typeof(value) for value in arguments)
        if signature not in dispatcher.overloads:
            cache = getattr(dispatcher, "_cache", None)
            if cache is None or cache.load_overload(signature, dispatcher.targetctx) is None:
                return False
    return True


def compile_for(training: Training) -> None:
    """Compile the kernels that a training needs, and keep them for the next process where there is
    a place."""
    for dispatcher, arguments in _smallest_calls(training):
        dispatcher(*arguments)


def _smallest_calls(training: Training) -> list[tuple[Any, tuple[Any, ...]]]:
    """The kernels that Python calls, with arguments of the types that a training has: a network of
    one weight."""
    start = {
        "layers.0.weight": np.zeros((1, 1), np.float32),
        "layers.0.bias": np.zeros(1, np.float32),
    }
    network = lay_out((1, 1), start, Mask({}), 1, learning=True)
    images = np.zeros((1, 1), training.dataset.train.images.dtype)
    examples = Samples(Split(images, np.zeros(1, np.int64)), network).examples
    step = np.zeros((1, 1), np.int64), 1, True, 0.1, 0.1, 0.1, np.zeros(1)
    return [
        (kernels.train, (network, examples, *step)),
        (kernels.evaluate, (network, examples, step[0][0], 1)),
    ]


def _sizes(training: Training) -> tuple[int, ...]:
    assert isinstance(training.model, MLP)
    return training.model.layers


class Samples:
    """A split as the compiled code of a network takes it, which checks no bounds, so that they are
    checked here."""

    def __init__(self, split: Split, network: Network) -> None:
        images, labels = _flat_images(split), split.labels
        first, last = network.layers[0], network.layers[-1]
        if images.shape[1] != first["inputs"]:
            raise DataError(
                f"dataset: an image has {images.shape[1]} values, expected {first['inputs']}, the "
                "model's inputs"
            )
        if labels.min() < 0 or labels.max() >= last["outputs"]:
            found = f"{labels.min()} to {labels.max()}"
            raise DataError(
                f"dataset: labels are {found}, expected 0 to {last['outputs'] - 1}, the model's "
                "classes"
            )
        pixels = _pixels_of(split) if first["dense"] else _no_pixels(images)
        scale = np.float32(1 / 255 if images.dtype == np.uint8 else 1)
        self.examples = Examples(_shared(images), _shared(labels), scale, *pixels)

    def evaluate(self, network: Network, between_calls: Callable[[], None]) -> tuple[float, float]:
        """Mean cross-entropy and accuracy."""
        num_images = len(self.examples.labels)
        piece = (
            max(1, EVALUATION_WORK // len(network.weights) // EVALUATION_BATCH) * EVALUATION_BATCH
        )
        loss_sum, num_correct = 0.0, 0
        for first in range(0, num_images, piece):
            indices = np.arange(first, min(first + piece, num_images))
            loss, correct = kernels.evaluate(network, self.examples, indices, EVALUATION_BATCH)
            loss_sum, num_correct = loss_sum + loss, num_correct + correct
            between_calls()
        return loss_sum / num_images, num_correct / num_images


_Pixels = tuple[
    NDArray[np.int64], NDArray[np.uint8], NDArray[Any]
]  # starts, places and shades of `Examples`


_pixels: WeakKeyDictionary[Split, _Pixels] = WeakKeyDictionary()


_finding_pixels = threading.Lock()


def _pixels_of(split: Split) -> _Pixels:
    """The pixels of a split that are not 0, found once and kept while the split is in use."""
    with _finding_pixels:
        if split not in _pixels:
            _pixels[split] = _find_pixels(_flat_images(split))
        return _pixels[split]


def _find_pixels(images: NDArray[Any]) -> _Pixels:
    tile = _pixel_tile(images.shape[1])
    tiles = np.arange(0, images.shape[1], tile)
    spare = np.zeros(LANES, np.uint8)
    counts, places, shades = [np.zeros(1, np.int64)], [], []
    for first in range(0, len(images), IMAGES_AT_A_TIME):
        some = images[first : first + IMAGES_AT_A_TIME]
        lit = some != 0
        counts.append(np.add.reduceat(lit, tiles, axis=1, dtype=np.int64).reshape(-1))
        places.append((np.nonzero(lit)[1] % tile).astype(np.uint8))
        shades.append(some[lit])
    starts = np.cumsum(np.concatenate(counts))
    return (
        starts,
        np.concatenate([*places, spare]),
        np.concatenate([*shades, spare.astype(images.dtype)]),
    )


def _no_pixels(images: NDArray[Any]) -> _Pixels:
    return np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, images.dtype)


def _pixel_tile(inputs: int) -> int:
    """The inputs of a dense first layer that are walked at a time."""
    return min(PIXEL_TILE, inputs)


def _flat_images(split: Split) -> NDArray[Any]:
    return split.images.reshape(len(split), -1)


def _shared(array: NDArray[Any]) -> NDArray[Any]:
    """The same memory, read-only whether or not it was, so that one compiled type serves both."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


# ---- one network's arrays
# ------------------------------------------------------------------------------------------


class _Layout:
    """Places parts one after another in a flat array, each at the start of a cache line."""

    def __init__(self) -> None:
        self.size = 0

    def place(self, count: int) -> int:
        start, self.size = self.size, self.size + _padded(count)
        return start


def lay_out(
    sizes: Sequence[int], weights: Weights, mask: Mask, batch: int, *, learning: bool
) -> Network:
    """A network's flat arrays.

    Args:
      sizes: of the MLP's layers.
      weights: name -> array, already multiplied by the mask. Copied.
      mask: of the prunable ones; all others are kept.
      batch: the most samples at a time.
      learning: whether it is to be trained and not evaluated only.
    """
    samples = _padded(batch)
    layers = np.zeros(len(sizes) - 1, LAYER)
    flat, index, nonzero, activations = _Layout(), _Layout(), _Layout(), _Layout()
    products, scratch = CHUNK_ROWS * STRIP * LANES, 0
    for number, ((weight, _), (inputs, outputs)) in enumerate(
        zip(_names(len(layers)), pairwise(sizes), strict=True)
    ):
        layer, kept = layers[number], mask.get(weight)
        alive = inputs * outputs if kept is None else int(np.count_nonzero(kept))
        density = alive / (inputs * outputs)
        dense = density > CROSSOVER
        count = inputs * _padded(outputs) if dense else alive
        layer["dense"], layer["masked"] = dense, dense and density < 1
        layer["inputs"], layer["outputs"], layer["count"] = inputs, outputs, count
        layer["weights"], layer["bias"] = flat.place(count), flat.place(outputs)
        if dense:
            scratch = max(scratch, samples * _padded(outputs))
        if dense and number == 0:
            pixels = samples * inputs
            layer["tile"] = _pixel_tile(inputs)
            layer["rows"] = index.place(_parts(inputs, layer["tile"]) * samples + 1)
            layer["columns"], layer["values"] = (
                index.place(pixels + LANES),
                nonzero.place(pixels + LANES),
            )
            if learning:
                layer["transposed_rows"], layer["transposed_columns"] = (
                    index.place(inputs + 2),
                    index.place(pixels),
                )
                layer["transposed_values"], layer["lit"] = (
                    nonzero.place(pixels),
                    index.place(inputs),
                )
        elif dense:
            layer["tile"] = inputs
        else:
            products = max(products, count)
            layer["tile"] = _tile(inputs, outputs, alive)
            layer["rows"] = index.place(_parts(inputs, layer["tile"]) * outputs + 1)
            layer["columns"] = index.place(count + LANES)
            if learning and number > 0:
                layer["transposed_tile"] = _tile(outputs, inputs, alive)
                layer["transposed_rows"] = index.place(
                    _parts(outputs, layer["transposed_tile"]) * inputs + 1
                )
                layer["transposed_columns"], layer["transposed_weights"] = (
                    index.place(count),
                    index.place(count),
                )
        if number > 0:
            layer["activations"] = layers[number - 1]["results"]
        elif not dense:  # a dense first layer takes its pixels from the images
            layer["activations"] = activations.place(samples * _padded(inputs))
        layer["results"] = activations.place(samples * _padded(outputs))
        products = max(products, _padded(outputs))
    moments = flat.size if learning else 0
    network = Network(
        layers,
        _aligned(index.size, np.int32),
        _aligned(flat.size, np.float32),
        _aligned(moments, np.float32),
        _aligned(moments, np.float32),
        _aligned(flat.size // LANES, np.uint16),
        _aligned(activations.size, np.float32),
        _aligned(activations.size if learning else 0, np.float32),
        _aligned(nonzero.size, np.float32),
        _aligned(scratch, np.float32),
        _aligned(products, np.float32),
    )
    for layer, (weight, bias) in zip(layers, _names(len(layers)), strict=True):
        _fill(network, layer, weights[weight].astype(np.float32), mask.get(weight))
        outputs, start = layer["outputs"], layer["bias"]
        network.weights[start : start + outputs] = weights[bias]
        _keep(network, start, np.broadcast_to(mask.get(bias, True), outputs))
    return network


def _fill(network: Network, layer: Any, weight: Floats, kept: Bools | None) -> None:
    inputs = int(layer["inputs"])
    part = slice(layer["weights"], layer["weights"] + layer["count"])
    if layer["dense"]:
        network.weights[part] = _in_strips(weight)
        if kept is not None:
            _keep(network, layer["weights"], _in_strips(kept))
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


def _keep(network: Network, start: int, kept: Bools) -> None:
    """Note in `kept`, a bit per weight, which of the weights from `start` are kept."""
    bits = np.zeros(_padded(len(kept)), np.bool_)
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
    return order, np.searchsorted(part[order], np.arange(_parts(num_columns, tile) * num_rows + 1))


def _tile(columns: int, rows: int, alive: int) -> int:
    """The columns of a pruned layer that are walked at a time: as many as keep what belongs to them
    in the first-level cache, unless the rows of a tile would be so short that their ends cost more
    than that saves."""
    tiles = min(_parts(columns, TILE), max(1, alive // (SHORTEST_PART * rows)))
    return _parts(columns, tiles)


def _parts(whole: int, part: int) -> int:
    """How many parts of a size, the last perhaps smaller, make up a whole."""
    return -(-whole // part)


def _in_strips(weight: NDArray[Any]) -> NDArray[Any]:
    """(output, input) as strips of outputs, flat."""
    outputs, inputs = weight.shape
    panels = np.zeros((_padded(outputs) // LANES, LANES, inputs), weight.dtype)
    panels.reshape(-1, inputs)[:outputs] = weight
    strips = [panels[first : first + STRIP] for first in range(0, len(panels), STRIP)]
    return np.concatenate([strip.transpose(2, 0, 1).reshape(-1) for strip in strips])


def _from_strips(flat: Floats, outputs: int, inputs: int) -> Floats:
    """The weights of `_in_strips`."""
    size = STRIP * LANES * inputs
    strips = [flat[start : start + size].reshape(inputs, -1) for start in range(0, len(flat), size)]
    return np.concatenate([strip.T for strip in strips])[:outputs].copy()


def _weights_of(network: Network) -> dict[str, Array]:
    """The weights of a network by name, pruned ones exactly 0."""
    result: dict[str, Array] = {}
    for layer, (weight, bias) in zip(network.layers, _names(len(network.layers)), strict=True):
        inputs, outputs = int(layer["inputs"]), int(layer["outputs"])
        values = network.weights[layer["weights"] : layer["weights"] + layer["count"]]
        if layer["dense"]:
            result[weight] = _from_strips(values, outputs, inputs)
        else:
            parts = _parts(inputs, int(layer["tile"])) * outputs
            starts = network.indices[layer["rows"] : layer["rows"] + parts]
            columns = network.indices[layer["columns"] : layer["columns"] + layer["count"]]
            result[weight] = np.zeros((outputs, inputs), np.float32)
            rows = np.repeat(np.arange(parts) % outputs, np.diff(starts, append=len(values)))
            result[weight][rows, columns // COLUMN] = values
        result[bias] = network.weights[layer["bias"] : layer["bias"] + outputs].copy()
    return result


def _names(num_layers: int) -> list[tuple[str, str]]:
    return [(f"layers.{i}.weight", f"layers.{i}.bias") for i in range(num_layers)]


def _aligned(count: int, dtype: type[np.generic]) -> NDArray[Any]:
    """Zeros that begin with a cache line (a vector across two costs twice), some to spare."""
    size = (count + BLOCK_ROWS * STRIP * LANES) * np.dtype(dtype).itemsize
    memory = np.zeros(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype)


def _padded(count: int) -> int:
    return (count + LANES - 1) // LANES * LANES
