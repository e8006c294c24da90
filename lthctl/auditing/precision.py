"""Half precision: what weights are worth that one file holds in fewer bits than another."""

from collections.abc import Callable, Mapping

import numpy as np

from lthctl.interop.network_file import Floats

ENOUGH = 20
"""Numbers that are not 0 before they show in how many bits a file holds all of them."""


def coarse_type(weights: Mapping[str, Floats]) -> str:
    """The type of half precision that holds all numbers of some weights; empty where none does."""
    arrays = [array for array in weights.values() if array.size]
    if sum(int(np.count_nonzero(array)) for array in arrays) < ENOUGH:
        return ""
    for name, rounded in ROUNDINGS.items():
        if all(np.array_equal(rounded(array), array, equal_nan=True) for array in arrays):
            return name
    return ""


def _float16(array: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return array.astype(np.float16).astype(np.float64)


def _bfloat16(array: Floats) -> Floats:
    """Rounded to the nearest, to the even one from half-way, as torch does."""
    with np.errstate(over="ignore"):
        bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    rounded = (bits + (0x7FFF + ((bits >> 16) & 1))) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32).astype(np.float64)


ROUNDINGS: Mapping[str, Callable[[Floats], Floats]] = {
    "bfloat16": _bfloat16,
    "float16": _float16,
}
"""Type -> what becomes of numbers that are saved in it; most of the first fit the second too."""
