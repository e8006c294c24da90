"""A linear layer of somebody's torch module: three products with one sparse matrix.

torch keeps a sample's numbers side by side, kernels keep a number of 16 samples side by side. So
what comes in is turned into strips, and what goes out is turned back, strip by strip.

A matrix's entries lie row by row and by column, whatever the processor: they are parameters, which
others keep in files. Each row is cut into tiles of columns, which are walked one after another.
"""

from typing import Any, NamedTuple

from lthctl.training.sparse.kernels.compiling import cached, compiled
from lthctl.training.sparse.kernels.network import Floats, Indices
from lthctl.training.sparse.kernels.processor import LANES, POSITIONS, STRIP
from lthctl.training.sparse.kernels.products import add_row
from lthctl.training.sparse.kernels.strips import (
    add_dots,
    find_panel,
    for_width,
    padded,
    position_sums,
)
from lthctl.training.sparse.kernels.tiles import transpose_tile
from lthctl.training.sparse.kernels.vectors import (
    add,
    get,
    load,
    load_all,
    put,
    spread,
    store,
    store_sums,
)


class Matrix(NamedTuple):
    """Where the entries of a sparse matrix are."""

    starts: Indices  # (rows * tiles + 1,): where each row's part of each tile begins
    columns: Indices  # of the entries, in bytes, and LANES more
    tiles: int
    width: int  # how many columns it has


@compiled
def copy_tile(
    source: Floats,
    at: int,
    step: int,
    target: Floats,
    to: int,
    stride: int,
    rows: int,
    columns: int,
) -> None:
    """A part of a tile of 16 by 16 from one array to another."""
    for i in range(rows):
        if columns == LANES:
            store(target, to + i * stride, load(source, at + i * step))
        else:
            for j in range(columns):
                put(target, to + i * stride + j, get(source, at + i * step + j))


@cached
def turn(
    source: Floats, samples: int, features: int, target: Floats, begin: int, end: int, spare: Floats
) -> None:
    """Features from `begin`, a multiple of 16, to `end` of (sample, feature) into strips of
    samples, with 0 past the last sample and past the last feature."""
    panels = padded(samples) // LANES
    for panel in range(panels):
        start, along = find_panel(panel, panels, padded(features))
        first = panel * LANES
        present = min(LANES, samples - first)
        for feature in range(begin, end, LANES):
            at, to = first * features + feature, start + feature * along
            if present == LANES and feature + LANES <= features:
                transpose_tile(source, at, features, target, to, along)
            else:
                for k in range(LANES * LANES):
                    put(spare, k, 0)
                width = min(LANES, features - feature)
                copy_tile(source, at, features, spare, 0, LANES, present, width)
                transpose_tile(spare, 0, LANES, target, to, along)


@compiled
def turn_back(
    strip: Floats,
    panels: int,
    count: int,
    target: Floats,
    first: int,
    samples: int,
    features: int,
    begin: int,
    spare: Floats,
) -> None:
    """A strip of samples from `first`, of `count` features from `begin`, to (sample, feature)."""
    along = panels * LANES
    for panel in range(panels):
        sample = first + panel * LANES
        present = min(LANES, samples - sample)
        for feature in range(0, count, LANES):
            at, to = feature * along + panel * LANES, sample * features + begin + feature
            width = min(LANES, count - feature)
            if present == LANES and width == LANES:
                transpose_tile(strip, at, along, target, to, features)
            else:
                transpose_tile(strip, at, along, spare, 0, LANES)
                copy_tile(spare, 0, LANES, target, to, features, present, width)


@compiled
def multiply_rows(
    zeros: Any,
    matrix: Matrix,
    values: Floats,
    bias: Floats,
    right: Floats,
    result: Floats,
    begin: int,
    end: int,
) -> None:
    """bias + matrix @ right for some rows and one strip, which `right` begins with."""
    for tile in range(matrix.tiles):
        for row in range(begin, end):
            to = (row - begin) * (len(zeros) * LANES)
            begun = add(zeros, spread(get(bias, row)))
            sums = load_all(zeros, result, to) if tile > 0 else begun
            part = row * matrix.tiles + tile
            first, last = get(matrix.starts, part), get(matrix.starts, part + 1)
            store(result, to, add_row(first, last, matrix.columns, values, right, sums))


@cached
def multiply(
    matrix: Matrix,
    values: Floats,
    bias: Floats,
    right: Floats,
    samples: int,
    target: Floats,
    features: int,
    begin: int,
    end: int,
    spare: Floats,
    strip: Floats,
) -> None:
    """bias + matrix @ right, for rows from `begin`, a multiple of 16, to `end`, as (sample, row).

    Args:
      right: in strips of samples, from `turn`.
      target: (samples, features); features is how many rows the matrix has.
      spare: a tile.
      strip: as much as these rows of a strip need.
    """
    panels = padded(samples) // LANES
    for first in range(0, panels, STRIP):
        width = min(STRIP, panels - first)
        there = right[first * padded(matrix.width) * LANES :]
        for_width(multiply_rows, width, (matrix, values, bias, there, strip, begin, end))
        place = first * LANES
        turn_back(strip, width, end - begin, target, place, samples, features, begin, spare)


@compiled
def sample_rows(
    like: Any,
    matrix: Matrix,
    left: Floats,
    left_columns: int,
    right: Floats,
    result: Floats,
    panels: int,
    begin: int,
    end: int,
    spare: Floats,
) -> None:
    """result[k] = left[row] . right[column] for the entries of some rows."""
    size, right_columns = len(like), padded(matrix.width)
    rest = panels % size
    whole = panels - rest
    for tile in range(matrix.tiles):
        for row in range(begin, end):
            part = row * matrix.tiles + tile
            last = get(matrix.starts, part + 1)
            for k in range(get(matrix.starts, part), last, POSITIONS):
                sums, columns = position_sums(), matrix.columns
                for first in range(0, whole, size):
                    at = (first * left_columns + row * size) * LANES
                    to = first * right_columns * LANES
                    sums = add_dots(sums, like, left, at, right, to, size, columns, k)
                for panel in range(rest):
                    at = (whole * left_columns + row * rest + panel) * LANES
                    to = (whole * right_columns + panel) * LANES
                    sums = add_dots(sums, like[:1], left, at, right, to, rest, columns, k)
                if k + POSITIONS <= last:
                    store_sums(result, k, sums)
                else:  # what follows may be there already
                    store_sums(spare, 0, sums)
                    for i in range(last - k):
                        put(result, k + i, get(spare, i))


@cached
def sample(
    matrix: Matrix,
    left: Floats,
    features: int,
    right: Floats,
    samples: int,
    result: Floats,
    begin: int,
    end: int,
    spare: Floats,
) -> None:
    """The gradient of the entries of rows from `begin` to `end`: the products of both strips,
    summed over samples."""
    panels = padded(samples) // LANES
    operands = matrix, left, padded(features), right, result, panels, begin, end, spare
    for_width(sample_rows, min(STRIP, panels), operands)


@cached
def pick(values: Floats, places: Indices, target: Floats) -> None:
    """target = values[places]."""
    for k in range(len(target)):
        put(target, k, get(values, get(places, k)))
