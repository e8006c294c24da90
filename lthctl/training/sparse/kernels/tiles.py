# mypy: allow-untyped-calls
"""Tiles of 16 by 16 floats, turned about their diagonal on the way from one array to another."""

from itertools import product
from typing import Any

from llvmlite import ir
from numba.core import types

from lthctl.training.sparse.kernels.compiling import compiled
from lthctl.training.sparse.kernels.instructions import (
    FLOAT,
    LANE,
    VECTOR,
    address_of,
    intrinsic,
    load_vector,
    shuffle,
    spread_scalar,
    store_vector,
)
from lthctl.training.sparse.kernels.network import Floats
from lthctl.training.sparse.kernels.processor import COLUMN, LANES, WIDE
from lthctl.training.sparse.kernels.strips import find_panel


def _transposed_eight(builder: Any, rows: list[Any]) -> list[Any]:
    """8 vectors of 8 lanes, transposed: by ones, by twos and by fours, each in one instruction of
    AVX2."""
    low, high = [0, 8, 1, 9, 4, 12, 5, 13], [2, 10, 3, 11, 6, 14, 7, 15]
    ones = [
        shuffle(builder, rows[i], rows[i + 1], lanes)
        for i in range(0, 8, 2)
        for lanes in (low, high)
    ]
    low, high = [0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]
    twos = [
        shuffle(builder, ones[i], ones[i + 2], lanes) for i in (0, 1, 4, 5) for lanes in (low, high)
    ]
    low, high = [0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]
    return [
        shuffle(builder, twos[i], twos[i + 4], lanes) for lanes in (low, high) for i in range(4)
    ]


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """16 vectors of 16 lanes, transposed by interleaving the first half with the second 4 times."""
    half = LANES // 2
    low = [lane // 2 + lane % 2 * LANES for lane in range(LANES)]
    high = [lane + half for lane in low]
    for _ in range(4):
        pairs = list(zip(rows[:half], rows[half:], strict=True))
        rows = [shuffle(builder, *pair, lanes) for pair in pairs for lanes in (low, high)]
    return rows


@intrinsic
def transpose_tile(
    _: Any, source: Any, at: Any, step: Any, target: Any, to: Any, stride: Any
) -> Any:
    """target[to + i * stride + j] = source[at + j * step + i] for a tile of 16 by 16."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, at, step, _, to, stride = arguments
        size = LANES if WIDE else LANES // 2  # a vector that fits a register
        kind = ir.VectorType(FLOAT, size)

        def place(array: int, base: Any, apart: Any, row: int, lane: int) -> Any:
            index = builder.add(
                base, builder.add(builder.mul(apart, apart.type(row)), apart.type(lane))
            )
            return address_of(context, builder, signature.args[array], arguments[array], index)

        for down, right in product(range(0, LANES, size), repeat=2):
            rows = [
                load_vector(builder, place(0, at, step, down + i, right), kind) for i in range(size)
            ]
            columns = _transposed(builder, rows) if WIDE else _transposed_eight(builder, rows)
            for i, column in enumerate(columns):
                store_vector(builder, column, place(3, to, stride, right + i, down))
        return context.get_dummy_value()

    return types.void(source, types.intp, types.intp, target, types.intp, types.intp), build


@intrinsic
def copy_pixels(
    _: Any,
    places: Any,
    shades: Any,
    k: Any,
    first: Any,
    scale: Any,
    columns: Any,
    values: Any,
    to: Any,
) -> Any:
    """Copy 16 pixels of a tile that begins at input `first`, from k on, as columns and values, to
    `to`."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        places, shades, k, first, scale, columns, values, to = arguments
        kinds = signature.args
        whole, undefined = (
            ir.VectorType(LANE, LANES),
            ir.Constant(ir.VectorType(LANE, LANES), ir.Undefined),
        )
        offsets = load_vector(
            builder,
            address_of(context, builder, kinds[0], places, k),
            ir.VectorType(ir.IntType(8), LANES),
        )
        start = builder.insert_element(undefined, builder.trunc(first, LANE), LANE(0))
        inputs = builder.add(
            builder.zext(offsets, whole), shuffle(builder, start, undefined, [0] * LANES)
        )
        numbers = builder.mul(inputs, ir.Constant(whole, [COLUMN] * LANES))
        store_vector(builder, numbers, address_of(context, builder, kinds[5], columns, to))
        kind = ir.VectorType(context.get_value_type(kinds[1].dtype), LANES)
        pixels = load_vector(builder, address_of(context, builder, kinds[1], shades, k), kind)
        floats = pixels if kind.element == FLOAT else builder.uitofp(pixels, VECTOR)
        floats = builder.fmul(floats, spread_scalar(builder, scale))
        store_vector(builder, floats, address_of(context, builder, kinds[6], values, to))
        return context.get_dummy_value()

    whole = types.intp
    return types.void(places, shades, whole, whole, types.float32, columns, values, whole), build


@intrinsic
def gather_tile(
    _: Any,
    images: Any,
    order: Any,
    first: Any,
    count: Any,
    feature: Any,
    scale: Any,
    target: Any,
    to: Any,
    stride: Any,
) -> Any:
    """A tile of 16 features of 16 images: target[to + i * stride + j] = images[order[first + j],
    feature + i] * scale, or 0 where j >= count.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        images, order, first, count, feature, scale, target, to, stride = arguments
        kinds = signature.args
        view = context.make_array(kinds[0])(context, builder, images)
        width = builder.extract_value(view.shape, 1)
        kind = ir.VectorType(context.get_value_type(kinds[0].dtype), LANES)
        rows, present = [], []
        for i in range(LANES):
            here = builder.icmp_signed("<", count.type(i), count)
            present.append(here)
            index = builder.add(first, builder.select(here, first.type(i), first.type(0)))
            image = builder.load(address_of(context, builder, kinds[1], order, index))
            address = builder.gep(view.data, [builder.add(builder.mul(image, width), feature)])
            rows.append(load_vector(builder, address, kind))
        factor = ir.Constant(VECTOR, None)
        for i, here in enumerate(present):
            factor = builder.insert_element(factor, builder.select(here, scale, FLOAT(0)), LANE(i))
        for i, row in enumerate(_transposed(builder, rows)):
            floats = row if kind.element == FLOAT else builder.uitofp(row, VECTOR)
            index = builder.add(to, builder.mul(stride, stride.type(i)))
            address = address_of(context, builder, kinds[6], target, index)
            store_vector(builder, builder.fmul(floats, factor), address)
        return context.get_dummy_value()

    counts = [types.intp] * 3
    signature = types.void(images, order, *counts, types.float32, target, types.intp, types.intp)
    return signature, build


@compiled
def transpose(source: Floats, panels: int, columns: int, target: Floats) -> None:
    """(panels * 16, columns) in strips to (columns, panels * 16) in strips; columns in sixteens."""
    goals = columns // LANES
    for panel in range(panels):
        at, along = find_panel(panel, panels, columns)
        for goal in range(goals):
            to, across = find_panel(goal, goals, panels * LANES)
            tile, there = at + goal * LANES * along, to + panel * LANES * across
            transpose_tile(source, tile, along, target, there, across)
