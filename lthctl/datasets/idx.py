"""The IDX format of MNIST's files, and of those of the datasets that stand in for it."""

import math
import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lthctl.datasets.base import Labels, Split
from lthctl.errors import DataError

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"

TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"

IDX_LIMIT = 64 * 2**20
"""Bytes beyond which nothing is read or unpacked; the largest of the four files has 47 million."""


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """An array of bytes in the IDX format of MNIST's files."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def _idx(content: bytes, dimensions: int) -> NDArray[np.uint8]:
    """The array that `idx_bytes` wrote.

    Raises:
      DataError: this is no such file, or its length is not that of its sizes.
    """
    start = 4 + 4 * dimensions
    if len(content) < start or content[:4] != bytes((0, 0, 8, dimensions)):
        raise DataError(
            f"dataset: an IDX file starts with {content[:4].hex()}, expected 000008{dimensions:02x}"
        )
    shape = struct.unpack_from(f">{dimensions}I", content, 4)
    if len(content) - start != math.prod(shape):
        raise DataError(
            f"dataset: an IDX file of sizes {shape} has {len(content) - start} bytes after them, "
            f"expected {math.prod(shape)}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def idx_images(content: bytes) -> NDArray[np.uint8]:
    images = _idx(content, 3)
    return images.reshape(
        len(images), math.prod(images.shape[1:])
    ).copy()  # writable, as torch wants it


def idx_labels(content: bytes) -> Labels:
    return _idx(content, 1).astype(np.int64)


def idx_splits(contents: Mapping[str, bytes]) -> tuple[Split, Split]:
    """Training and test images of the four files that MNIST, and others like it, have."""
    return (
        Split(idx_images(contents[TRAIN_IMAGES]), idx_labels(contents[TRAIN_LABELS])),
        Split(idx_images(contents[TEST_IMAGES]), idx_labels(contents[TEST_LABELS])),
    )
