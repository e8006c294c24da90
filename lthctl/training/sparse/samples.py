"""Images and labels as the kernels of one network take them.

The images are shared by all trainings, and with them, where a first layer is dense, the pixels that
are not 0, once more (20 MB for MNIST's 60,000).
"""

import math
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from lthctl.datasets.base import Split
from lthctl.errors import DataError
from lthctl.training.sparse import layout
from lthctl.training.sparse.kernels import steps
from lthctl.training.sparse.kernels.network import Examples, Network
from lthctl.training.sparse.kernels.processor import LANES

IMAGES_TO_JUDGE_BY = 512  # how many pixels are 0

IMAGES_AT_A_TIME = 4096  # whose nonzero pixels are looked for

EVALUATION_BATCH = 64  # images at a time: four panels

EVALUATION_WORK = 2_000_000_000  # weights times images in one compiled call, about 0.1 s


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
            raise DataError(
                f"dataset: labels are {labels.min()} to {labels.max()}, expected 0 to "
                f"{last['outputs'] - 1}, the model's classes"
            )
        pixels = _pixels_of(split) if first["pixels"] else _no_pixels(images)
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
            loss, correct = steps.evaluate(network, self.examples, indices, EVALUATION_BATCH)
            loss_sum, num_correct = loss_sum + loss, num_correct + correct
            between_calls()
        return loss_sum / num_images, num_correct / num_images


def share_lit(split: Split) -> float:
    """The share of the first images' pixels that are not 0."""
    images = _flat_images(split)[:IMAGES_TO_JUDGE_BY]
    return np.count_nonzero(images) / images.size


_Pixels = tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[Any]]
"""`Examples.starts`, `places` and `shades`."""

_pixels: WeakKeyDictionary[Split, _Pixels] = WeakKeyDictionary()

_looking_for_pixels = threading.Lock()

_making_numbers = threading.Lock()


def _pixels_of(split: Split) -> _Pixels:
    """The pixels of a split that are not 0, looked for once and kept while the split is in use."""
    with _looking_for_pixels:
        if split not in _pixels:
            _pixels[split] = find_pixels(_flat_images(split))
        return _pixels[split]


def find_pixels(images: NDArray[Any]) -> _Pixels:
    """The pixels of images (n, inputs) that are not 0, with 16 zeros after the last."""
    tile = layout.pixel_tile(images.shape[1])
    tiles = np.arange(0, images.shape[1], tile)
    end = np.zeros(LANES, np.uint8)
    counts, places, shades = [np.zeros(1, np.int64)], [], []
    for first in range(0, len(images), IMAGES_AT_A_TIME):
        some = images[first : first + IMAGES_AT_A_TIME]
        lit = some != 0
        counts.append(np.add.reduceat(lit, tiles, axis=1, dtype=np.int64).reshape(-1))
        places.append((np.nonzero(lit)[1] % tile).astype(np.uint8))
        shades.append(some[lit])
    return (
        np.cumsum(np.concatenate(counts)),
        np.concatenate([*places, end]),
        np.concatenate([*shades, end.astype(images.dtype)]),
    )


def _no_pixels(images: NDArray[Any]) -> _Pixels:
    return np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, images.dtype)


_numbers: WeakKeyDictionary[Split, NDArray[np.float32]] = WeakKeyDictionary()


def _flat_images(split: Split) -> NDArray[Any]:
    """Images (n, inputs). The numbers that levels make of bytes are made once, and kept while the
    split is in use."""
    if split.levels is None:
        return split.images.reshape(len(split), -1)
    with _making_numbers:
        if split not in _numbers:
            rows = np.empty((len(split), math.prod(split.images.shape[1:])), np.float32)
            first = 0
            for some in split.numbers():
                rows[first : first + len(some)] = some.reshape(len(some), -1)
                first += len(some)
            _numbers[split] = rows
        return _numbers[split]


def _shared(array: NDArray[Any]) -> NDArray[Any]:
    """The same memory, read-only whether or not it was, so that one compiled type serves both."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
