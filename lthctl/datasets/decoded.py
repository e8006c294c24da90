"""Decoded images, kept in the user's cache, so that a second process need not decode them again.

What is kept is found by the folder, and counts only for the very files: their names, sizes and
times. It has a digest, so that damage is seen. To delete it costs time, and nothing else.
"""

import hashlib
import math
import os
import struct
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lthctl.canonical import sha256
from lthctl.disk import write_file
from lthctl.errors import DataError, LthctlError
from lthctl.reading import read_file

LIMIT = 64 * 2**30
"""Bytes that a file in the cache may have."""

HEADER = struct.Struct("<32s4Q")
"""SHA-256 of the stamp of the files and of all that follows, and the shape of the images."""


def decoded(
    folder: Path, paths: Sequence[Path], decode: Callable[[], NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    """What `decode` gives for the files of a folder, from the cache if it is there.

    Args:
      folder: the files are in it.
      paths: the files, in their order.
      decode: reads them all, (n, channels, height, width).

    Raises:
      DataError: a file cannot be looked at, or `decode` refuses it.
    """
    stamp = _stamp(folder, paths)
    cache = _cache()
    if cache is None:
        return decode()
    place = cache / f"{sha256(os.fsencode(folder.absolute()))}.images"
    if (kept := _read(place, stamp)) is not None:
        return kept
    images = decode()
    header = HEADER.pack(_digest(stamp, images.shape, images.data), *images.shape)
    with suppress(LthctlError):  # a cache that cannot be written costs time only
        write_file(place, b"".join((header, images.data)))
    return images


def _read(place: Path, stamp: bytes) -> NDArray[np.uint8] | None:
    """The images that were kept for the files of a stamp, if they are there and whole."""
    try:
        content = memoryview(read_file(place, DataError, limit=LIMIT))
        digest, *shape = HEADER.unpack_from(content)
    except (LthctlError, struct.error):
        return None
    pixels = content[HEADER.size :]
    if len(pixels) != math.prod(shape) or digest != _digest(stamp, tuple(shape), pixels):
        return None
    # A copy, as torch wants arrays that can be written to.
    return np.frombuffer(bytearray(pixels), np.uint8).reshape(shape)


def _digest(stamp: bytes, shape: tuple[int, ...], pixels: memoryview) -> bytes:
    total = hashlib.sha256(stamp + repr(shape).encode())
    total.update(pixels)
    return total.digest()


def _stamp(folder: Path, paths: Sequence[Path]) -> bytes:
    """What changes with the files, and with what decodes them."""
    from PIL import __version__, features

    total = hashlib.sha256(__version__.encode())
    for codec in ("jpg", "zlib", "webp"):
        total.update(f"\0{features.version(codec)}".encode())
    top = len(os.fspath(folder))
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            raise DataError(f"{path}: cannot be looked at ({error.strerror or error})") from error
        times = status.st_size, status.st_mtime_ns, status.st_ctime_ns
        total.update(f"\0{os.fspath(path)[top:]}\0{times}".encode(errors="surrogateescape"))
    return total.digest()


def _cache() -> Path | None:
    """Where this user's caches are; None where there is no home."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():
        return given / "lthctl"
    with suppress(RuntimeError):
        parts = ("Library", "Caches") if sys.platform == "darwin" else (".cache",)
        return Path.home().joinpath(*parts, "lthctl")
    return None
