"""Tensors in a file made elsewhere, not yet read into arrays."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lthctl.errors import CheckpointError
from lthctl.mask import Array


class OtherContentError(CheckpointError):
    """A file holds more than tensors by name, or holds them in another form."""


BFLOAT16 = "bfloat16"
"""NumPy has no such type. Its bits are the upper half of a float32's."""


MAX_DIMENSIONS = 64  # of NumPy's arrays


@dataclass(frozen=True)
class Entry:
    """A tensor in a file.

    Attributes:
      dtype: its type as NumPy calls it, or "bfloat16".
      shape: its shape.
      read: allocates and fills the array; bfloat16 as the float32 of the same value.

    Raises:
      CheckpointError: it has more dimensions than an array can have.
    """

    dtype: str
    shape: tuple[int, ...]
    read: Callable[[], Array]

    def __post_init__(self) -> None:
        if len(self.shape) > MAX_DIMENSIONS:
            raise CheckpointError(
                f"holds a tensor of {len(self.shape)} dimensions, expected at most {MAX_DIMENSIONS}"
            )

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
