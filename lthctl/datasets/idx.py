"""The IDX format of MNIST's files."""

import math
import struct

import numpy as np
from numpy.typing import NDArray

from lthctl.datasets.base import Labels
from lthctl.errors import DataError


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
