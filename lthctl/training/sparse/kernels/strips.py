# mypy: allow-untyped-calls
"""Strips of panels, and sums of products with them that stay in registers."""

from typing import Any

from llvmlite import ir
from numba.core import types

from lthctl.training.sparse.kernels.compiling import inlined
from lthctl.training.sparse.kernels.instructions import (
    VECTOR,
    add_product_to,
    address_of,
    address_of_column,
    intrinsic,
    load_vector,
    spread_scalar,
    store_vector,
    vector_type,
)
from lthctl.training.sparse.kernels.processor import (
    LANES,
    POSITIONS,
    STRIP,
    WIDE,
    pad,
)

padded = inlined(pad)


@inlined
def find_panel(panel: int, panels: int, columns: int) -> tuple[int, int]:
    """Where a panel of a dense operand begins, and how many floats its columns are apart."""
    first = panel // STRIP * STRIP
    return (first * columns + panel - first) * LANES, min(STRIP, panels - first) * LANES


@intrinsic
def position_sums(_: Any) -> Any:
    """As many as positions are sampled at a time, all 0."""
    kind = types.UniTuple(vector_type, POSITIONS)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(context.get_value_type(kind), None)

    return kind(), build


@inlined
def for_width(kernel: Any, width: int, arguments: Any) -> None:
    """Call a kernel of one strip, which is compiled for each number of panels, by its tuple of
    zeros."""
    zeros = position_sums()
    if width == 4:
        kernel(zeros[:4], *arguments)
    elif width == 3:
        kernel(zeros[:3], *arguments)
    elif width == 2:
        kernel(zeros[:2], *arguments)
    else:
        kernel(zeros[:1], *arguments)


@intrinsic
def add_scaled(_: Any, sums: Any, scalar: Any, array: Any, column: Any) -> Any:
    """A tuple of sums, with scalar * a column of the strip, as broad, that begins with the array,
    added."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums, scalar, array, column = arguments
        panels = signature.args[0].count
        factor, start = spread_scalar(builder, scalar), context.get_constant(types.intp, 0)
        strip = address_of(context, builder, signature.args[2], array, start)
        base = address_of_column(builder, strip, column, column.type(panels))
        for i in range(panels):
            vector = load_vector(builder, builder.gep(base, [column.type(i * LANES)]), VECTOR)
            sums = add_product_to(builder, sums, i, factor, vector)
        return sums

    return sums(sums, types.float32, array, types.intp), build


@intrinsic
def block_panels(_: Any, like: Any) -> Any:
    """As many zeros as a block has of the panels of a strip as broad as `like`: all, or where
    registers are few one."""
    kind = types.UniTuple(vector_type, like.count if WIDE else 1)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(context.get_value_type(kind), None)

    return kind(like), build


def _sums_of(rows: int) -> Any:
    """The sums of a block of so many rows and the panels of a value, all 0."""

    def zeros(_: Any, like: Any) -> Any:
        kind = types.UniTuple(vector_type, rows * like.count)

        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return ir.Constant(context.get_value_type(kind), None)

        return kind(like), build

    return intrinsic(zeros)


six_rows, four_rows = _sums_of(6), _sums_of(4)


@intrinsic
def load_block(_: Any, sums: Any, like: Any, array: Any, down: Any) -> Any:
    """A block's sums, as many as `sums`, from array[row * down + panel * 16:], for the panels of
    `like`."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums, _, array, down = arguments
        kinds = signature.args
        for i in range(kinds[0].count):
            row, panel = divmod(i, kinds[1].count)
            index = builder.add(builder.mul(down, down.type(row)), down.type(panel * LANES))
            address = address_of(context, builder, kinds[2], array, index)
            sums = builder.insert_value(sums, load_vector(builder, address, VECTOR), i)
        return sums

    return sums(sums, like, array, types.intp), build


@intrinsic
def add_outer(
    _: Any, sums: Any, like: Any, left: Any, at: Any, down: Any, right: Any, to: Any
) -> Any:
    """A block's sums, with left[at + row * down] * right[to + panel * 16:] added."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums, _, left, at, down, right, to = arguments
        kinds = signature.args
        panels = kinds[1].count
        vectors = []
        for panel in range(panels):
            index = builder.add(to, to.type(panel * LANES))
            vectors.append(
                load_vector(builder, address_of(context, builder, kinds[5], right, index), VECTOR)
            )
        for row in range(kinds[0].count // panels):
            index = builder.add(at, builder.mul(down, down.type(row)))
            factor = spread_scalar(
                builder, builder.load(address_of(context, builder, kinds[2], left, index))
            )
            for panel, vector in enumerate(vectors):
                sums = add_product_to(builder, sums, row * panels + panel, factor, vector)
        return sums

    return sums(sums, like, left, types.intp, types.intp, right, types.intp), build


@intrinsic
def store_block(_: Any, array: Any, at: Any, down: Any, like: Any, sums: Any) -> Any:
    """array[at + row * down + panel * 16:] = a block's sums, which has the panels of `like`."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, at, down, _, sums = arguments
        kinds = signature.args
        for i in range(kinds[4].count):
            row, panel = divmod(i, kinds[3].count)
            index = builder.add(
                at, builder.add(builder.mul(down, down.type(row)), at.type(panel * LANES))
            )
            address = address_of(context, builder, kinds[0], array, index)
            store_vector(builder, builder.extract_value(sums, i), address)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, like, sums), build


@intrinsic
def add_dots(
    _: Any,
    sums: Any,
    like: Any,
    left: Any,
    at: Any,
    right: Any,
    to: Any,
    width: Any,
    columns: Any,
    k: Any,
) -> Any:
    """A tuple of sums, with left[at + i * 16:] * column[i * 16:] added to the n-th for every i of
    `like`.

    The column is columns[k + n] of a strip of `width` panels, which begins at right[to].
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums, _, left, at, right, to, width, columns, k = arguments
        kinds = signature.args
        strip = address_of(context, builder, kinds[4], right, to)
        bases = []
        for n in range(kinds[0].count):
            column = builder.load(
                address_of(context, builder, kinds[7], columns, builder.add(k, k.type(n)))
            )
            bases.append(address_of_column(builder, strip, builder.sext(column, k.type), width))
        for i in range(kinds[1].count):
            address = address_of(
                context, builder, kinds[2], left, builder.add(at, at.type(i * LANES))
            )
            factor = load_vector(builder, address, VECTOR)
            for n, base in enumerate(bases):
                vector = load_vector(builder, builder.gep(base, [at.type(i * LANES)]), VECTOR)
                sums = add_product_to(builder, sums, n, factor, vector)
        return sums

    whole = types.intp
    return sums(sums, like, left, whole, right, whole, whole, columns, whole), build
