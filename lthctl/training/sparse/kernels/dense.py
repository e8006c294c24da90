"""Products of dense matrices, in blocks of sums that stay in registers.

Each sum is one chain over the inner index, from the first to the last. A chain is cut where the
operand that blocks share would leave the first-level cache: the sums are stored, and are loaded
again for the next part. So neither blocks nor parts show in the bits.
"""

from typing import Any

from lthctl.training.sparse.kernels.compiling import compiled, inlined
from lthctl.training.sparse.kernels.network import Floats
from lthctl.training.sparse.kernels.processor import DEPTH, LANES, STRIP
from lthctl.training.sparse.kernels.strips import (
    add_outer,
    block_panels,
    four_rows,
    load_block,
    padded,
    six_rows,
    store_block,
)


@inlined
def add_block(
    zeros: Any,
    like: Any,
    left: Floats,
    at: int,
    down: int,
    across: int,
    count: int,
    right: Floats,
    along: int,
    result: Floats,
    begun: bool,
) -> None:
    """A block's part of `add_dense`, with as many sums as `zeros`."""
    sums = load_block(zeros, like, result, along) if begun else zeros
    for k in range(count):
        sums = add_outer(sums, like, left, at + k * across, down, right, k * along)
    store_block(result, 0, along, like, sums)


@compiled
def add_dense(
    like: Any,
    left: Floats,
    at: int,
    down: int,
    across: int,
    rows: int,
    count: int,
    right: Floats,
    result: Floats,
    begun: bool,
) -> None:
    """result = left (rows, count) @ right (count, strip), for one strip as broad as `like`; or that
    added to what was begun.

    left[row, k] is at + row * down + k * across. Rows come in blocks of six and four: up to seven
    more than asked for are read and written.
    """
    block, along = block_panels(like), len(like) * LANES
    even = rows + rows % 2
    sixes = max(0, even - 4 * (even % 3))  # rows that come by six
    for row in range(0, sixes, 6):
        for panel in range(0, along, len(block) * LANES):
            there, here = right[panel:], result[row * along + panel :]
            add_block(
                six_rows(block), block, left, at + row * down, down, across, count, there, along,
                here, begun,
            )  # fmt: skip
    for row in range(sixes, rows, 4):
        for panel in range(0, along, len(block) * LANES):
            there, here = right[panel:], result[row * along + panel :]
            add_block(
                four_rows(block), block, left, at + row * down, down, across, count, there, along,
                here, begun,
            )  # fmt: skip


@inlined
def multiply_samples(
    like: Any, x: Floats, batch: int, columns: int, inputs: int, weights: Floats, result: Floats
) -> None:
    """result (sample, output) = x (sample, input) @ weights (input, output), for one strip of
    outputs, which result and weights begin with.

    x is in strips of samples, `columns` inputs long.
    """
    along = len(like) * LANES
    for begin in range(0, inputs, DEPTH):
        count = min(DEPTH, inputs - begin)
        for first in range(0, batch, STRIP * LANES):
            width = min(STRIP * LANES, padded(batch) - first)
            add_dense(
                like,
                x,
                first * columns + begin * width,
                1,
                width,
                min(width, batch - first),
                count,
                weights[begin * along :],
                result[first * along :],
                begin > 0,
            )


@inlined
def multiply_outputs(
    like: Any, weights: Floats, outputs: int, inputs: int, gy: Floats, result: Floats
) -> None:
    """result (input, sample) = weights (input, output) @ gy (output, sample), for one strip of
    samples, which gy and result begin with."""
    along = len(like) * LANES
    for first in range(0, outputs, STRIP * LANES):
        width = min(STRIP * LANES, padded(outputs) - first)
        count = min(width, outputs - first)
        add_dense(
            like,
            weights,
            first * inputs,
            width,
            1,
            inputs,
            count,
            gy[first * along :],
            result,
            first > 0,
        )


@inlined
def multiply_inputs(
    like: Any,
    x: Floats,
    batch: int,
    columns: int,
    begin: int,
    end: int,
    gyt: Floats,
    result: Floats,
) -> None:
    """result = x[begin:end] (input, sample) @ gyt (sample, output), for one strip of outputs, which
    gyt begins with."""
    along = len(like) * LANES
    for first in range(0, batch, STRIP * LANES):
        width = min(STRIP * LANES, padded(batch) - first)
        add_dense(
            like,
            x,
            first * columns + begin * width,
            width,
            1,
            end - begin,
            min(width, batch - first),
            gyt[first * along :],
            result,
            first > 0,
        )
