"""Masks: which weights are kept.

Knows no files, no torch and no datasets. Weights are a mapping of parameter name to NumPy array
throughout lthctl; a mask covers the prunable ones among them.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from lthctl.errors import MaskError

Array = NDArray[np.generic]


Bools = NDArray[np.bool_]


Weights = Mapping[str, Array]


Shapes = Mapping[str, tuple[int, ...]]


MAX_LISTED = 100  # names or faults in a message: a file may hold half a million


def listed(names: Iterable[str]) -> str:
    """Names for a message, sorted; the first ones where they are many."""
    ordered = sorted(names)
    more = f" and {len(ordered) - MAX_LISTED:,} more" if len(ordered) > MAX_LISTED else ""
    return f"{[name[:200] for name in ordered[:MAX_LISTED]]}{more}"


def joined(faults: Sequence[str]) -> str:
    """Faults for a message; the first ones where they are many."""
    more = f"; and {len(faults) - MAX_LISTED:,} more" if len(faults) > MAX_LISTED else ""
    return "; ".join(fault[:1000] for fault in faults[:MAX_LISTED]) + more


class Mask(Mapping[str, Bools]):
    """One bool per prunable parameter: True is kept, False is pruned. Immutable.

    Args:
      arrays: parameter name -> bool array of the parameter's shape. Copied; kept in the order of
        the names.

    Raises:
      MaskError: an array holds anything but bools.

    Example:
      >>> mask = Mask({"layers.0.weight": np.array([[True, False], [True, True]])})
      >>> mask.num_kept, mask.size, mask.sparsity
      (3, 4, 0.25)
    """

    def __init__(self, arrays: Mapping[str, Bools]) -> None:
        kept: dict[str, Bools] = {}
        for name, array in sorted(arrays.items()):
            if array.dtype != np.bool_:
                raise MaskError(
                    f"mask: {name!r} has dtype {array.dtype}, expected bool; compare with 0 first"
                )
            kept[name] = np.array(array, order="C")
            kept[name].flags.writeable = False
        self._arrays = MappingProxyType(kept)

    def __reduce__(self) -> tuple[type["Mask"], tuple[dict[str, Bools]]]:
        """Pickled and deep-copied by its arrays, which are immutable again afterwards."""
        return Mask, (dict(self._arrays),)

    @classmethod
    def full(cls, shapes: Shapes) -> "Mask":
        """The dense mask: everything of these shapes is kept."""
        return cls({name: np.ones(shape, np.bool_) for name, shape in shapes.items()})

    def __getitem__(self, name: str) -> Bools:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mask):
            return NotImplemented
        return self.keys() == other.keys() and all(
            np.array_equal(self[name], other[name]) for name in self
        )

    __hash__ = None  # type: ignore[assignment]  # compared by content, too large to hash on every lookup

    def __repr__(self) -> str:
        return f"Mask({len(self)} parameters, {self.num_kept} of {self.size} kept)"

    @property
    def size(self) -> int:
        """Number of prunable weights, kept and pruned."""
        return sum(array.size for array in self.values())

    @property
    def num_kept(self) -> int:
        """Number of weights kept."""
        return sum(int(np.count_nonzero(array)) for array in self.values())

    @property
    def density(self) -> float:
        """Fraction kept, in [0, 1]."""
        return self.num_kept / self.size if self.size else 1.0

    @property
    def sparsity(self) -> float:
        """Fraction pruned, in [0, 1]."""
        return (self.size - self.num_kept) / self.size if self.size else 0.0

    def apply(self, weights: Weights) -> dict[str, Array]:
        """A copy of the weights with the pruned ones exactly 0.

        Args:
          weights: name -> array; must hold every parameter of the mask. What the mask does not
            cover is copied as it is. Not modified.

        Raises:
          MaskError: a parameter of the mask is missing in the weights or has another shape.
        """
        self.check_fits({name: array.shape for name, array in weights.items() if name in self})
        return {
            name: np.where(self[name], array, array.dtype.type(0)) if name in self else array.copy()
            for name, array in weights.items()
        }

    def check_fits(self, shapes: Shapes, *, where: str = "mask") -> None:
        """Refuse to go on unless the mask covers exactly these parameters.

        Args:
          shapes: the prunable parameters, name -> shape.
          where: what the message starts with, such as a file.

        Raises:
          MaskError: parameters are missing, extra or misshapen; all of them are named.
        """
        check_shapes({name: array.shape for name, array in self.items()}, shapes, where=where)

    def is_nested_in(self, other: "Mask") -> bool:
        """Whether nothing is kept here that `other` has pruned. Both cover the same parameters."""
        return all(not np.any(self[name] & ~other[name]) for name in self)

    def shuffled(self, words: Mapping[str, NDArray[np.uint64]]) -> "Mask":
        """The same number of weights in every parameter, at positions given by chance.

        Args:
          words: parameter name -> one random word per weight, flat; each array is permuted into the
            order of its words.
        """
        return Mask(
            {
                name: array.ravel()[np.argsort(words[name], kind="stable")].reshape(array.shape)
                for name, array in self.items()
            }
        )


def check_shapes(given: Shapes, expected: Shapes, *, where: str) -> None:
    """Refuse a mask's shapes unless they are exactly those of the prunable parameters; see
    `Mask.check_fits`."""
    faults = [
        f"{name!r} is missing, the model has it with shape {tuple(expected[name])}"
        for name in sorted(expected.keys() - given.keys())
    ]
    faults += [
        f"{name!r} is extra, the model has no such prunable parameter"
        for name in sorted(given.keys() - expected.keys())
    ]
    faults += [
        f"{name!r} has shape {tuple(given[name])}, the model has {tuple(expected[name])}"
        for name in sorted(given.keys() & expected.keys())
        if tuple(given[name]) != tuple(expected[name])
    ]
    if faults:
        raise MaskError(f"{where}: {joined(faults)}")


def unpack_mask(
    path: Path, packed: Mapping[str, Array], note: str | None, expected: Shapes
) -> Mask:
    """The mask over some parameters from the packed bits of its file.

    Args:
      path: the file, for messages.
      packed: parameter name -> bytes, uint8, flat.
      note: JSON: parameter name -> shape.
      expected: the shapes that there must be.

    Raises:
      MaskError: names, shapes or sizes do not agree.
    """
    try:
        shapes = {name: tuple(shape) for name, shape in json.loads(note or "{}").items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise MaskError(
            f"{path}: has no shapes ({error}); it is damaged or not written by "
            "lthctl: make the ticket again"
        ) from None
    if shapes.keys() != packed.keys():
        raise MaskError(f"{path}: has bits for {listed(packed)}, but shapes for {listed(shapes)}")
    check_shapes(shapes, expected, where=str(path))
    arrays: dict[str, Bools] = {}
    for name, shape in expected.items():
        bits, size = packed[name], math.prod(shape)
        if bits.dtype != np.uint8 or bits.shape != ((size + 7) // 8,):
            raise MaskError(
                f"{path}: {name!r} has {bits.size} bytes, expected {(size + 7) // 8} for shape "
                f"{shape}"
            )
        arrays[name] = (
            np.unpackbits(np.asarray(bits, np.uint8), count=size).astype(np.bool_).reshape(shape)
        )
        if not np.array_equal(np.packbits(arrays[name]), bits):
            raise MaskError(
                f"{path}: {name!r} is padded with bits other than 0; make the ticket again"
            )
    return Mask(arrays)
