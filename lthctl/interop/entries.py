"""Tensors in a file made elsewhere, not yet read into arrays."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lthctl.mask import Array

BFLOAT16 = "bfloat16"
"""NumPy has no such type. Its bits are the upper half of a float32's."""


@dataclass(frozen=True)
class Entry:
    """A tensor in a file.

    Attributes:
      dtype: its type as NumPy calls it, or "bfloat16".
      shape: its shape.
      read: allocates and fills the array; bfloat16 as the float32 of the same value.
    """

    dtype: str
    shape: tuple[int, ...]
    read: Callable[[], Array]

    @property
    def is_whole(self) -> bool:
        """Whether it holds bools or integers, of any size."""
        return self.dtype != BFLOAT16 and np.dtype(self.dtype).kind in "bui"


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a file by name, and the note that lthctl leaves in files of its own."""

    entries: dict[str, Entry]
    note: str | None = None


def numbers(data: bytes, dtype: str) -> Array:
    """The numbers in some bytes, flat; bfloat16 as the float32 of the same value."""
    if dtype == BFLOAT16:
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(data, dtype).copy()


def itemsize(dtype: str) -> int:
    """The bytes of one number."""
    return 2 if dtype == BFLOAT16 else np.dtype(dtype).itemsize
