"""Products of a sparse matrix: `multiply` and `sample`."""

from typing import Any

from lthctl.training.sparse.kernels.compiling import compiled, inlined
from lthctl.training.sparse.kernels.network import Floats, Indices
from lthctl.training.sparse.kernels.processor import LANES, POSITIONS, STRIP
from lthctl.training.sparse.kernels.strips import (
    add_dots,
    add_scaled,
    for_width,
    position_sums,
)
from lthctl.training.sparse.kernels.vectors import get, load_all, store, store_sums


@inlined
def add_row(k: int, end: int, columns: Indices, values: Floats, right: Floats, sums: Any) -> Any:
    """A tuple of sums, one per panel of a strip, with a row of sparse @ right, from the k-th entry,
    added."""
    while k < end:
        sums = add_scaled(sums, get(values, k), right, get(columns, k))
        k += 1
    return sums


@compiled
def multiply_strip(
    zeros: Any,
    starts: Indices,
    tiles: int,
    columns: Indices,
    values: Floats,
    right: Floats,
    result: Floats,
    count: int,
) -> None:
    """`multiply` of one strip of right and result, which begin with it."""
    for tile in range(tiles):
        for row in range(count):
            to = row * (len(zeros) * LANES)
            sums = load_all(zeros, result, to) if tile > 0 else zeros
            part = tile * count + row
            sums = add_row(get(starts, part), get(starts, part + 1), columns, values, right, sums)
            store(result, to, sums)


@compiled
def multiply(
    starts: Indices,
    tiles: int,
    columns: Indices,
    values: Floats,
    right: Floats,
    right_columns: int,
    result: Floats,
    result_columns: int,
    count: int,
    panels: int,
) -> None:
    """result = sparse (count, k) @ right (k, 16 * panels), both in strips.

    The sparse matrix is stored by tiles of its columns, and in a tile by rows: row r of tile t goes
    from starts[t * count + r] to the next start. What a strip has in a tile stays in the
    first-level cache.
    """
    for first in range(0, panels, STRIP):
        there, here = (
            right[first * right_columns * LANES :],
            result[first * result_columns * LANES :],
        )
        for_width(
            multiply_strip,
            min(STRIP, panels - first),
            (starts, tiles, columns, values, there, here, count),
        )


@compiled
def sample(
    like: Any,
    starts: Indices,
    tiles: int,
    columns: Indices,
    left: Floats,
    left_columns: int,
    right: Floats,
    right_columns: int,
    result: Floats,
    count: int,
    panels: int,
) -> None:
    """result[k] = left[row] . right[column] for the k-th position of a sparse matrix, stored as for
    `multiply`.

    Strips are as broad as `like`; what is left of the panels is a narrower one. POSITIONS at a
    time: that many floats past the last one may be overwritten.
    """
    size = len(like)
    rest = panels % size
    whole = panels - rest
    row = -1
    for part in range(tiles * count):
        row = row + 1 if row + 1 < count else 0
        for k in range(get(starts, part), get(starts, part + 1), POSITIONS):
            sums = position_sums()
            for first in range(0, whole, size):
                at, to = (first * left_columns + row * size) * LANES, first * right_columns * LANES
                sums = add_dots(sums, like, left, at, right, to, size, columns, k)
            for panel in range(rest):
                at, to = whole * left_columns + row * rest + panel, whole * right_columns + panel
                sums = add_dots(
                    sums, like[:1], left, at * LANES, right, to * LANES, rest, columns, k
                )
            store_sums(result, k, sums)
