"""NumPy arrays in a pickle, from their bytes; NumPy itself is never asked to unpickle them."""

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from lthctl.interop.entries import Entry
from lthctl.mask import Array
from lthctl.pickles import PickleError, text_of

KINDS = re.compile("b1|[iu][1248]|f[248]")
"""Bools, whole numbers and floating-point numbers, as NumPy calls them."""


class PickledType:
    """A dtype: its name, and the order of bytes, which the pickle gives later."""

    def __init__(self, name: object, *_: object) -> None:
        self._name, self.state = text_of(name), ()

    @property
    def dtype(self) -> str:
        """As NumPy calls it.

        Raises:
          PickleError: it is none of numbers.
        """
        order = self.state[1] if len(self.state) > 1 else "<"
        if not KINDS.fullmatch(self._name) or order not in ("<", ">", "|", "="):
            raise PickleError(f"holds an array of type {self._name[:20]}, expected numbers")
        return f"{'<' if order in '|=' else order}{self._name}"


class PickledArray:
    """An array whose shape, type and bytes the pickle gives after it named it."""

    def __init__(self, *_: object) -> None:
        self.state: tuple[Any, ...] = ()

    def entry(self) -> Entry:
        """The array, ready to be read.

        Raises:
          PickleError: its bytes are not those of its shape and type.
        """
        if len(self.state) != 5:
            raise PickleError("holds an array without its bytes")
        _, shape, kind, is_fortran, data = self.state
        return entry_of(data, kind, shape, "F" if is_fortran else "C")


def entry_of(data: object, kind: object, shape: object, order: object) -> Entry:
    content = data.encode("latin-1") if isinstance(data, str) else data
    if not isinstance(kind, PickledType) or not isinstance(content, bytes | bytearray):
        raise PickleError("holds an array of objects, expected numbers")
    if not isinstance(shape, tuple) or not all(type(n) is int and 0 <= n < 2**40 for n in shape):
        raise PickleError("holds an array whose shape is not made of whole numbers")
    dtype, in_order = kind.dtype, "F" if order == "F" else "C"
    if len(content) != math.prod(shape) * np.dtype(dtype).itemsize:
        raise PickleError(f"holds an array of shape {shape} with {len(content)} bytes")

    def read() -> Array:
        flat = np.frombuffer(content, dtype).astype(dtype.replace(">", "<"))
        return np.ascontiguousarray(flat.reshape(shape, order="F" if in_order == "F" else "C"))

    return Entry(dtype.lstrip("<>"), shape, read)


def _scalar(kind: object, data: object = b"") -> Entry:
    return entry_of(data, kind, (), "C")


def _encoded(text: object, encoding: object) -> bytes:
    """Bytes that a pickle of an old protocol holds as text."""
    if encoding not in ("latin1", "latin-1"):
        raise PickleError(f"holds bytes as text in the encoding {encoding!r:.20}, expected latin1")
    return text_of(text).encode("latin-1")


_MODULES = ("numpy.core", "numpy._core")

ARRAY_CALLS: dict[str, Callable[..., object]] = {
    "numpy.dtype": PickledType,
    "_codecs.encode": _encoded,
    **{f"{module}.multiarray._reconstruct": PickledArray for module in _MODULES},
    **{f"{module}.multiarray.scalar": _scalar for module in _MODULES},
    **{f"{module}.numeric._frombuffer": entry_of for module in _MODULES},
}
"""What calls in a pickle of arrays give."""
