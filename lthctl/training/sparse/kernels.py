# mypy: allow-untyped-calls
"""The kernels of the sparse engine: training steps and evaluations of an MLP, compiled.

This module knows flat arrays and where the layers of a network stand in them; `engine_sparse` lays
them out. It knows no specifications, masks or files. Importing it imports numba. Kernels that call
each other stay in this one module, as numba's cache does not notice changes in another.

In most products of a training step one operand is mostly zeros: a pruned layer's *weights*, or else
the *pixels* that enter a dense first layer (81 % of MNIST's). The same two kernels serve both, with
the operands exchanged:

- `multiply`, a sparse matrix times dense columns: the forward pass and the input gradient of a
  pruned layer, the forward pass and (row by row, as `add_row`) the weight gradient of a dense first
  layer;
- `sample`, the entries of a dense product at a sparse matrix's positions: the weight gradient of a
  pruned layer.

Behind a ReLU only half of the units are 0, and skipping them costs as much as it saves: all three
products of a dense layer further up are dense (`add_products`), in blocks of sums that stay in
registers.

Dense operands are cut into *panels* of 16 rows, so that a column of a panel is one vector of 16
floats (one AVX-512 register, two of AVX2, four of NEON), and stored in *strips* of up to four
panels side by side: `[row // 64][column][row % 64]`, the last strip as broad as what is left. So
one address leads to all that a weight or a pixel is multiplied with. Rows are samples in
activations and gradients, outputs in a dense layer's weights. All the steps between two calls
of `on_step` are one compiled call, without the interpreter lock and without allocation: trainings
run side by side in threads and share the images. Sums have one fixed order, so results are the same
bits from run to run, and with AVX-512 as with AVX2 alone (`WIDE`), which differ in what is kept in
registers; on others they may differ by rounding.
"""

import contextlib
import hashlib
import math
import pickle
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir
from numba.core import caching, cgutils, serialize, types
from numba.core.registry import cpu_target
from numba.extending import intrinsic, models, register_model
from numpy.typing import NDArray

Floats = NDArray[np.float32]


Indices = NDArray[np.int32]


_Function = TypeVar("_Function", bound=Callable[..., Any])


LANES = 16


COLUMN = LANES * 4  # bytes of a panel's column; sparse matrices number their columns in these


STRIP = 4  # panels side by side, at most


AHEAD = 5  # rows of a strip that are asked for before they are needed


WIDE = "+avx512f" in cpu_target.target_context.codegen().magic_tuple()[2].split(
    ","
)  # 32 registers of a vector each


BLOCK_ROWS, BLOCK_SUMS = (
    12,
    24 if WIDE else 6,
)  # at most so many rows, and sums, of a dense product are kept there


POSITIONS = 8 if WIDE else 4  # of a sparse matrix, sampled at a time


CHUNK_ROWS = 24  # of a dense layer's weight gradient at a time


DUSTING = 64  # steps, in which Adam shrinks a moment by a factor of 1000 at most


BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


ROUNDING = 1.5 * 2**23  # a float32 this large has no fraction: adding it rounds to a whole number


# ---- 16 floats as a value of compiled code ----------------------------------------------------
# LLVM keeps these in registers and splits them where the processor's are shorter. Its own
# vectorizer keeps the accumulators of loops like ours in memory, which costs more than arithmetic.

_FLOAT, _LANE = ir.FloatType(), ir.IntType(32)


_VECTOR = ir.VectorType(_FLOAT, LANES)


_UNDEFINED = ir.Constant(_VECTOR, ir.Undefined)


class _VectorType(types.Type):
    def __init__(self) -> None:
        super().__init__(name="Vector16")


@register_model(_VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


_vector = _VectorType()


def _instruction(typing: Callable[..., Any]) -> Any:
    """An operation of compiled code, from its signature and what builds its instructions."""
    return intrinsic(typing)


def _address(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [index])


def _in_register(builder: Any, address: Any) -> Any:
    """The same address, hidden from LLVM, which else adds it up anew in every instruction that uses
    it."""
    kind = ir.FunctionType(address.type, [address.type])
    return builder.call(ir.InlineAsm(kind, "", "=r,0"), [address])


def _column(builder: Any, strip: Any, column: Any, panels: Any) -> Any:
    """Where a column of a strip of so many panels begins."""
    bytes_ = builder.bitcast(strip, ir.IntType(8).as_pointer())
    address = builder.gep(bytes_, [builder.mul(column, panels)])
    return _in_register(builder, builder.bitcast(address, strip.type))


def _load_vector(builder: Any, address: Any, kind: Any) -> Any:
    vector = builder.load(builder.bitcast(address, kind.as_pointer()))
    vector.align = 4 if kind.element == _FLOAT else 1
    return vector


def _store_vector(builder: Any, vector: Any, address: Any) -> None:
    builder.store(vector, builder.bitcast(address, vector.type.as_pointer())).align = 4


def _shuffle(builder: Any, first: Any, second: Any, lanes: Sequence[int]) -> Any:
    return builder.shuffle_vector(
        first, second, ir.Constant(ir.VectorType(_LANE, len(lanes)), list(lanes))
    )


def _call(builder: Any, name: str, result: Any, arguments: Sequence[Any]) -> Any:
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def _vectors(builder: Any, kind: Any, value: Any) -> list[Any]:
    """A tuple of vectors as a list, or a single one."""
    if isinstance(kind, _VectorType):
        return [value]
    return [builder.extract_value(value, i) for i in range(kind.count)]


def _like(builder: Any, kind: Any, value: Any, vectors: Sequence[Any]) -> Any:
    """A list of vectors in the form of a value: a tuple of them, or a single one."""
    if isinstance(kind, _VectorType):
        return vectors[0]
    for i, vector in enumerate(vectors):
        value = builder.insert_value(value, vector, i)
    return value


def _spread(builder: Any, scalar: Any) -> Any:
    first = builder.insert_element(_UNDEFINED, scalar, _LANE(0))
    return _shuffle(builder, first, _UNDEFINED, [0] * LANES)


def _add_product(builder: Any, sums: Any, i: int, x: Any, y: Any) -> Any:
    """A tuple of vectors with x * y added to its i-th."""
    arguments = [x, y, builder.extract_value(sums, i)]
    return builder.insert_value(
        sums, _call(builder, f"llvm.fmuladd.v{LANES}f32", _VECTOR, arguments), i
    )


def _transposed_eight(builder: Any, rows: list[Any]) -> list[Any]:
    """8 vectors of 8 lanes, transposed: by ones, by twos and by fours, each in one instruction of
    AVX2."""
    low, high = [0, 8, 1, 9, 4, 12, 5, 13], [2, 10, 3, 11, 6, 14, 7, 15]
    ones = [
        _shuffle(builder, rows[i], rows[i + 1], lanes)
        for i in range(0, 8, 2)
        for lanes in (low, high)
    ]
    low, high = [0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]
    twos = [
        _shuffle(builder, ones[i], ones[i + 2], lanes)
        for i in (0, 1, 4, 5)
        for lanes in (low, high)
    ]
    low, high = [0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]
    return [
        _shuffle(builder, twos[i], twos[i + 4], lanes) for lanes in (low, high) for i in range(4)
    ]


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """16 vectors of 16 lanes, transposed by interleaving the first half with the second 4 times."""
    half = LANES // 2
    low = [lane // 2 + lane % 2 * LANES for lane in range(LANES)]
    high = [lane + half for lane in low]
    for _ in range(4):
        pairs = list(zip(rows[:half], rows[half:], strict=True))
        rows = [_shuffle(builder, *pair, lanes) for pair in pairs for lanes in (low, high)]
    return rows


@_instruction
def get(_: Any, array: Any, index: Any) -> Any:
    """`array[index]` without Python's negative indices; integers come out as wide as an index."""
    whole = isinstance(array.dtype, types.Integer)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = builder.load(_address(context, builder, signature.args[0], *arguments))
        return context.cast(builder, value, array.dtype, types.intp) if whole else value

    return (types.intp if whole else array.dtype)(array, types.intp), build


@_instruction
def put(_: Any, array: Any, index: Any, value: Any) -> Any:
    """`array[index] = value`, likewise."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, index, value = arguments
        kind = signature.args[0]
        value = context.cast(builder, value, signature.args[2], kind.dtype)
        builder.store(value, _address(context, builder, kind, array, index))
        return context.get_dummy_value()

    return types.void(array, types.intp, value), build


@_instruction
def fetch(_: Any, array: Any, index: Any) -> Any:
    """Ask for array[index:], which may be past the array's end, to be brought near."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = builder.bitcast(
            _address(context, builder, signature.args[0], *arguments), ir.IntType(8).as_pointer()
        )
        hints = [_LANE(0), _LANE(3), _LANE(1)]  # for reading, to be kept, data
        _call(builder, "llvm.prefetch.p0i8", ir.VoidType(), [address, *hints])
        return context.get_dummy_value()

    return types.void(array, types.intp), build


@_instruction
def load(_: Any, array: Any, index: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _load_vector(
            builder, _address(context, builder, signature.args[0], *arguments), _VECTOR
        )

    return _vector(array, types.intp), build


@_instruction
def spread(_: Any, scalar: Any) -> Any:
    """The scalar in every lane."""

    def build(_: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _spread(builder, arguments[0])

    return _vector(types.float32), build


def _lanewise(one: Callable[..., Any]) -> Any:
    """An operation on vectors, from what builds it for one; of tuples of vectors, it takes one
    vector after another."""

    def typing(*kinds: Any) -> Any:
        n = next((n for n, kind in enumerate(kinds) if isinstance(kind, types.UniTuple)), 0)

        def build(_: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            lists = [_vectors(builder, *pair) for pair in zip(kinds, arguments, strict=True)]
            count = len(lists[n])
            each = zip(*(vectors * (count // len(vectors)) for vectors in lists), strict=True)
            return _like(
                builder, kinds[n], arguments[n], [one(builder, *vectors) for vectors in each]
            )

        return kinds[n](*kinds), build

    def unary(_: Any, x: Any) -> Any:
        return typing(x)

    def binary(_: Any, x: Any, y: Any) -> Any:
        return typing(x, y)

    def ternary(_: Any, x: Any, y: Any, z: Any) -> Any:
        return typing(x, y, z)

    return intrinsic((unary, binary, ternary)[one.__code__.co_argcount - 2])


add = _lanewise(lambda builder, x, y: builder.fadd(x, y))


subtract = _lanewise(lambda builder, x, y: builder.fsub(x, y))


times = _lanewise(lambda builder, x, y: builder.fmul(x, y))


divide = _lanewise(lambda builder, x, y: builder.fdiv(x, y))


root = _lanewise(lambda builder, x: _call(builder, f"llvm.sqrt.v{LANES}f32", _VECTOR, [x]))


@_lanewise
def multiply_add(builder: Any, x: Any, y: Any, z: Any) -> Any:
    """x * y + z, rounded once where the processor can."""
    return _call(builder, f"llvm.fmuladd.v{LANES}f32", _VECTOR, [x, y, z])


@_lanewise
def where_positive(builder: Any, condition: Any, value: Any) -> Any:
    """The value where the condition is > 0 or NaN, else 0: ReLU and its gradient keep NaN."""
    zero = ir.Constant(_VECTOR, None)
    return builder.select(builder.fcmp_ordered("<=", condition, zero), zero, value)


@_lanewise
def highest(builder: Any, x: Any, y: Any) -> Any:
    """The larger lanes; x where it is NaN."""
    return builder.select(builder.fcmp_ordered("<", x, y), y, x)


@_lanewise
def power_of_two(builder: Any, shifted: Any) -> Any:
    """2**n, given n + ROUNDING, from n's bits."""
    whole = ir.VectorType(_LANE, LANES)
    exponent = builder.add(builder.bitcast(shifted, whole), ir.Constant(whole, [127] * LANES))
    return builder.bitcast(builder.shl(exponent, ir.Constant(whole, [23] * LANES)), _VECTOR)


@_lanewise
def without_dust(builder: Any, vector: Any) -> Any:
    """0 in place of what is smaller than 1e-30: below 1e-38 processors slow down a hundredfold."""
    size = _call(builder, f"llvm.fabs.v{LANES}f32", _VECTOR, [vector])
    dust = builder.fcmp_ordered("<", size, ir.Constant(_VECTOR, [1e-30] * LANES))
    return builder.select(dust, ir.Constant(_VECTOR, None), vector)


@_instruction
def store_sums(_: Any, array: Any, at: Any, sums: Any) -> Any:
    """Store the lane sums of four or eight vectors at array[at:], halving all of them at once."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, at, sums = arguments
        rest = _vectors(builder, signature.args[2], sums)
        lanes = [8 * (i & 1) + 2 * (i & 2) + i // 4 * 2 for i in range(len(rest))]
        for half in (8, 4, 2):
            # of two vectors, the one's sums go to lanes without this bit, the other's to those with
            # it
            stay = [lane + LANES * bool(lane & half and len(rest) > 1) for lane in range(LANES)]
            move = [lane ^ half for lane in stay]
            rest = [
                builder.fadd(_shuffle(builder, *pair, stay), _shuffle(builder, *pair, move))
                for pair in zip(rest[::2], rest[1::2] or rest, strict=True)
            ]
        even = _shuffle(builder, rest[0], rest[0], lanes)
        odd = _shuffle(builder, rest[0], rest[0], [lane + 1 for lane in lanes])
        address = _address(context, builder, signature.args[0], array, at)
        _store_vector(builder, builder.fadd(even, odd), address)
        return context.get_dummy_value()

    return types.void(array, types.intp, sums), build


@_instruction
def add_scaled(_: Any, sums: Any, scalar: Any, array: Any, column: Any) -> Any:
    """A tuple of sums, with scalar * a column of the strip, as broad, that begins with the array,
    added."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums, scalar, array, column = arguments
        panels = signature.args[0].count
        factor, start = _spread(builder, scalar), context.get_constant(types.intp, 0)
        strip = _address(context, builder, signature.args[2], array, start)
        base = _column(builder, strip, column, column.type(panels))
        for i in range(panels):
            vector = _load_vector(builder, builder.gep(base, [column.type(i * LANES)]), _VECTOR)
            sums = _add_product(builder, sums, i, factor, vector)
        return sums

    return sums(sums, types.float32, array, types.intp), build


@_instruction
def block_panels(_: Any, like: Any) -> Any:
    """As many zeros as a block has of the panels of a strip as broad as `like`: all, or where
    registers are few one."""
    kind = types.UniTuple(_vector, like.count if WIDE else 1)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(context.get_value_type(kind), None)

    return kind(like), build


@_instruction
def no_sums(_: Any, like: Any) -> Any:
    """The sums of a block, by row and panel of `like`, all 0."""
    kind = types.UniTuple(_vector, min(BLOCK_ROWS, BLOCK_SUMS // like.count) * like.count)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(context.get_value_type(kind), None)

    return kind(like), build


@_instruction
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
                _load_vector(builder, _address(context, builder, kinds[5], right, index), _VECTOR)
            )
        for row in range(kinds[0].count // panels):
            index = builder.add(at, builder.mul(down, down.type(row)))
            factor = _spread(
                builder, builder.load(_address(context, builder, kinds[2], left, index))
            )
            for panel, vector in enumerate(vectors):
                sums = _add_product(builder, sums, row * panels + panel, factor, vector)
        return sums

    return sums(sums, like, left, types.intp, types.intp, right, types.intp), build


@_instruction
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
            address = _address(context, builder, kinds[0], array, index)
            _store_vector(builder, builder.extract_value(sums, i), address)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, like, sums), build


@_instruction
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
        strip = _address(context, builder, kinds[4], right, to)
        bases = []
        for n in range(kinds[0].count):
            column = builder.load(
                _address(context, builder, kinds[7], columns, builder.add(k, k.type(n)))
            )
            bases.append(_column(builder, strip, builder.sext(column, k.type), width))
        for i in range(kinds[1].count):
            address = _address(
                context, builder, kinds[2], left, builder.add(at, at.type(i * LANES))
            )
            factor = _load_vector(builder, address, _VECTOR)
            for n, base in enumerate(bases):
                vector = _load_vector(builder, builder.gep(base, [at.type(i * LANES)]), _VECTOR)
                sums = _add_product(builder, sums, n, factor, vector)
        return sums

    whole = types.intp
    return sums(sums, like, left, whole, right, whole, whole, columns, whole), build


@_instruction
def load_all(_: Any, like: Any, array: Any, at: Any) -> Any:
    """As many vectors as another value has, the i-th of them array[at + i * 16:]."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        like, array, at = arguments
        kinds, vectors = signature.args, []
        for i in range(getattr(kinds[0], "count", 1)):
            address = _address(
                context, builder, kinds[1], array, builder.add(at, at.type(i * LANES))
            )
            vectors.append(_load_vector(builder, address, _VECTOR))
        return _like(builder, kinds[0], like, vectors)

    return like(like, array, types.intp), build


@_instruction
def store(_: Any, array: Any, at: Any, vectors: Any) -> Any:
    """array[at + i * 16:] = the i-th vector."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, at, vectors = arguments
        kinds = signature.args
        for i, vector in enumerate(_vectors(builder, kinds[2], vectors)):
            address = _address(
                context, builder, kinds[0], array, builder.add(at, at.type(i * LANES))
            )
            _store_vector(builder, vector, address)
        return context.get_dummy_value()

    return types.void(array, types.intp, vectors), build


@_instruction
def where_kept(_: Any, kept: Any, at: Any, vectors: Any) -> Any:
    """The lanes whose bit of kept[at // 16:] is set; 0 in the others."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kept, at, vectors = arguments
        kinds, result = signature.args, []
        first = builder.lshr(at, at.type(LANES.bit_length() - 1))
        for i, vector in enumerate(_vectors(builder, kinds[2], vectors)):
            index = builder.add(first, first.type(i))
            bits = builder.load(_address(context, builder, kinds[0], kept, index))
            lanes = builder.bitcast(bits, ir.VectorType(ir.IntType(1), LANES))
            result.append(builder.select(lanes, vector, ir.Constant(_VECTOR, None)))
        return _like(builder, kinds[2], vectors, result)

    return vectors(kept, types.intp, vectors), build


@_instruction
def transpose_tile(
    _: Any, source: Any, at: Any, step: Any, target: Any, to: Any, stride: Any
) -> Any:
    """target[to + i * stride + j] = source[at + j * step + i] for a tile of 16 by 16."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, at, step, _, to, stride = arguments
        size = LANES if WIDE else LANES // 2  # a vector that fits a register
        kind = ir.VectorType(_FLOAT, size)

        def place(array: int, base: Any, apart: Any, row: int, lane: int) -> Any:
            index = builder.add(
                base, builder.add(builder.mul(apart, apart.type(row)), apart.type(lane))
            )
            return _address(context, builder, signature.args[array], arguments[array], index)

        for down, right in product(range(0, LANES, size), repeat=2):
            rows = [
                _load_vector(builder, place(0, at, step, down + i, right), kind)
                for i in range(size)
            ]
            columns = _transposed(builder, rows) if WIDE else _transposed_eight(builder, rows)
            for i, column in enumerate(columns):
                _store_vector(builder, column, place(3, to, stride, right + i, down))
        return context.get_dummy_value()

    return types.void(source, types.intp, types.intp, target, types.intp, types.intp), build


@_instruction
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
            ir.VectorType(_LANE, LANES),
            ir.Constant(ir.VectorType(_LANE, LANES), ir.Undefined),
        )
        found = _load_vector(
            builder,
            _address(context, builder, kinds[0], places, k),
            ir.VectorType(ir.IntType(8), LANES),
        )
        offset = builder.insert_element(undefined, builder.trunc(first, _LANE), _LANE(0))
        inputs = builder.add(
            builder.zext(found, whole), _shuffle(builder, offset, undefined, [0] * LANES)
        )
        numbers = builder.mul(inputs, ir.Constant(whole, [COLUMN] * LANES))
        _store_vector(builder, numbers, _address(context, builder, kinds[5], columns, to))
        kind = ir.VectorType(context.get_value_type(kinds[1].dtype), LANES)
        pixels = _load_vector(builder, _address(context, builder, kinds[1], shades, k), kind)
        floats = pixels if kind.element == _FLOAT else builder.uitofp(pixels, _VECTOR)
        floats = builder.fmul(floats, _spread(builder, scale))
        _store_vector(builder, floats, _address(context, builder, kinds[6], values, to))
        return context.get_dummy_value()

    whole = types.intp
    return types.void(places, shades, whole, whole, types.float32, columns, values, whole), build


@_instruction
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
            image = builder.load(_address(context, builder, kinds[1], order, index))
            address = builder.gep(view.data, [builder.add(builder.mul(image, width), feature)])
            rows.append(_load_vector(builder, address, kind))
        factor = ir.Constant(_VECTOR, None)
        for i, here in enumerate(present):
            factor = builder.insert_element(
                factor, builder.select(here, scale, _FLOAT(0)), _LANE(i)
            )
        for i, row in enumerate(_transposed(builder, rows)):
            floats = row if kind.element == _FLOAT else builder.uitofp(row, _VECTOR)
            index = builder.add(to, builder.mul(stride, stride.type(i)))
            address = _address(context, builder, kinds[6], target, index)
            _store_vector(builder, builder.fmul(floats, factor), address)
        return context.get_dummy_value()

    counts = [types.intp] * 3
    signature = types.void(images, order, *counts, types.float32, target, types.intp, types.intp)
    return signature, build


# ---- one network's arrays ---------------------------------------------------------------------

LAYER = np.dtype(
    [
        (name, np.int64)
        for name in (
            "dense",  # which kernel
            "inputs",
            "outputs",
            "weights",  # where its weights begin in `weights` and in the optimizer's moments
            "count",  # and how many floats they are
            "bias",  # the same for its biases
            "masked",  # whether a dense layer has pruned weights, which `kept` holds at 0
            # the sparse operand: a pruned layer's weights by output, or for a dense first layer
            # the batch's nonzero pixels by sample; columns are numbered in bytes, COLUMN apart
            "rows",
            "columns",
            "values",
            "tile",  # how many of its columns are walked at a time
            # the same by input, for gradients (of pixels: where each input's end); not for a pruned
            # first layer
            "transposed_rows",
            "transposed_columns",
            "transposed_values",  # of the pixels
            "lit",  # of a dense first layer: whether an input was ever anything but 0
            "transposed_weights",  # where a pruned layer's weights stand in the order by output
            "transposed_tile",
            "activations",  # where its input, and the gradient by its input, begin
            "results",  # the same for its output
        )
    ]
)


class Examples(NamedTuple):
    """A split as compiled code takes it, which checks no bounds."""

    images: NDArray[Any]  # (n, inputs), uint8 or float32
    labels: NDArray[np.int64]
    scale: np.float32  # what pixels are multiplied with
    # Where the first layer is dense: the pixels that are not 0, image by image, and 16 to spare.
    starts: NDArray[np.int64]  # (n * tiles + 1,), of each image's tiles
    places: NDArray[np.uint8]  # in their tile
    shades: NDArray[Any]  # as in the images


class Network(NamedTuple):
    """What a training touches besides images and labels: flat arrays, with a part per layer."""

    layers: NDArray[np.void]
    indices: Indices
    weights: Floats
    moment1: Floats
    moment2: Floats
    kept: NDArray[np.uint16]
    activations: Floats
    gradients: Floats
    nonzero: Floats
    scratch: Floats
    products: Floats


# ---- how functions are compiled ---------------------------------------------------------------


# Compiled code allocates nothing, so it need not count references to arrays (`_nrt=False`): a count
# per vector operation would cost more than the operation. Divisions by 0 give inf, as in NumPy.
_njit: Any = numba.njit


_OPTIONS = {"nogil": True, "error_model": "numpy", "_nrt": False, "no_cfunc_wrapper": True}


class _Checked(caching.CompileResultCacheImpl):
    """Compiled code as it is kept on disk: with a digest, because damaged code may still run."""

    def reduce(self, data: Any) -> tuple[bytes, bytes]:
        code = serialize.dumps(super().reduce(data))
        return hashlib.sha256(code).digest(), code

    def rebuild(self, target_context: Any, reduced_data: tuple[bytes, bytes]) -> Any:
        digest, code = reduced_data
        if hashlib.sha256(code).digest() != digest:
            raise ValueError("the compiled code was damaged")
        return super().rebuild(target_context, pickle.loads(code))


class _Cache(caching.FunctionCache):
    """numba's cache, where whatever cannot be read is compiled again and replaced if possible."""

    _impl_class = _Checked

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # pickle raises anything on damaged files
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with contextlib.suppress(OSError):  # a folder that cannot be written
            try:
                super().save_overload(sig, data)
            except Exception:  # an index that cannot be read
                self.flush()
                super().save_overload(sig, data)


def _compiled(function: _Function) -> _Function:
    """For compiled code to call: Python has no way in, which took a fifth of the time to
    compile."""
    return cast(_Function, _njit(function, no_cpython_wrapper=True, **_OPTIONS))


def _inlined(function: _Function) -> _Function:
    return cast(_Function, _njit(function, no_cpython_wrapper=True, forceinline=True, **_OPTIONS))


def cached(function: _Function) -> _Function:
    """For Python to call: compiled once and kept between runs, with everything that it calls."""
    dispatcher: Any = _njit(function, **_OPTIONS)
    with contextlib.suppress(RuntimeError):  # no folder for it: compile in every run
        dispatcher._cache = _Cache(function)
    return cast(_Function, dispatcher)


def _padded(count: int) -> int:
    return (count + LANES - 1) // LANES * LANES


padded = _inlined(_padded)


# ---- strips, and sums that stay in registers --------------------------------------------------


@_inlined
def find(panel: int, panels: int, columns: int) -> tuple[int, int]:
    """Where a panel of a dense operand begins, and how many floats its columns are apart."""
    first = panel // STRIP * STRIP
    return (first * columns + panel - first) * LANES, min(STRIP, panels - first) * LANES


@_instruction
def position_sums(_: Any) -> Any:
    """As many as positions are sampled at a time, all 0."""
    kind = types.UniTuple(_vector, POSITIONS)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(context.get_value_type(kind), None)

    return kind(), build


@_inlined
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


# ---- the two kernels, and dense products ------------------------------------------------------


@_inlined
def add_row(k: int, end: int, columns: Indices, values: Floats, right: Floats, sums: Any) -> Any:
    """A tuple of sums, one per panel of a strip, with a row of sparse @ right, from the k-th entry,
    added."""
    while k < end:
        sums = add_scaled(sums, get(values, k), right, get(columns, k))
        k += 1
    return sums


@_compiled
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


@_compiled
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


@_compiled
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


@_inlined
def add_products(
    like: Any,
    left: Floats,
    at: int,
    down: int,
    across: int,
    count: int,
    right: Floats,
    to: int,
    along: int,
    sums: Any,
) -> Any:
    """A block's sums, with left (rows, count) @ right (count, panels) added.

    left[row, k] is at + row * down + k * across, right[k] is to + k * along.
    """
    for k in range(count):
        sums = add_outer(sums, like, left, at + k * across, down, right, to + k * along)
    return sums


@_compiled
def multiply_dense(
    like: Any, left: Floats, rows: int, columns: int, right: Floats, result: Floats
) -> None:
    """result = left (rows, columns) @ right (columns, strip), for one strip as broad as `like`."""
    block, along = block_panels(like), len(like) * LANES
    height = len(no_sums(block)) // len(block)
    for first in range(0, rows, STRIP * LANES):
        width = min(STRIP * LANES, padded(rows) - first)
        for row in range(0, min(width, rows - first), height):
            i = min(row, width - height)  # the last block may overlap with the one before
            at, to = first * columns + i, (first + i) * along
            for panel in range(0, along, len(block) * LANES):
                sums = add_products(
                    block, left, at, 1, width, columns, right, panel, along, no_sums(block)
                )
                store_block(result, to + panel, along, block, sums)


@_compiled
def multiply_transposed(
    like: Any,
    left: Floats,
    rows: int,
    columns: int,
    begin: int,
    end: int,
    right: Floats,
    result: Floats,
) -> None:
    """result = left[:, begin:end].T @ right, for left (rows, columns) and one strip of the others.

    If end - begin is less than a block's rows, the result is as long as a block.
    """
    block, along = block_panels(like), len(like) * LANES
    height = len(no_sums(block)) // len(block)
    for column in range(begin, end, height):
        i = max(begin, min(column, end - height))  # the last block may overlap with the one before
        for panel in range(0, along, len(block) * LANES):
            sums = no_sums(block)
            for first in range(0, rows, STRIP * LANES):
                width = min(STRIP * LANES, padded(rows) - first)
                at, count = first * columns + i * width, min(width, rows - first)
                sums = add_products(
                    block, left, at, width, 1, count, right, first * along + panel, along, sums
                )
            store_block(result, (i - begin) * along + panel, along, block, sums)


# ---- a step -----------------------------------------------------------------------------------


@_compiled
def transpose(source: Floats, panels: int, columns: int, target: Floats) -> None:
    """(panels * 16, columns) in strips to (columns, panels * 16) in strips; columns in sixteens."""
    goals = columns // LANES
    for panel in range(panels):
        at, along = find(panel, panels, columns)
        for goal in range(goals):
            to, across = find(goal, goals, panels * LANES)
            tile, there = at + goal * LANES * along, to + panel * LANES * across
            transpose_tile(source, tile, along, target, there, across)


@_compiled
def gather(
    images: NDArray[Any], order: NDArray[np.int64], batch: int, scale: np.float32, target: Floats
) -> None:
    """Images of one batch, scaled, as strips of samples; 0 past the batch's end."""
    inputs, panels = images.shape[1], padded(batch) // LANES
    for panel in range(panels):
        at, along = find(panel, panels, padded(inputs))
        first = panel * LANES
        count = min(LANES, batch - first)
        for feature in range(0, inputs - LANES + 1, LANES):
            gather_tile(
                images, order, first, count, feature, scale, target, at + feature * along, along
            )
        for feature in range(inputs - inputs % LANES, inputs):
            to = at + feature * along
            for i in range(count):
                target[to + i] = np.float32(images[order[first + i], feature]) * scale
            target[to + count : to + LANES] = 0


@_compiled
def collect_pixels(
    network: Network, examples: Examples, order: NDArray[np.int64], samples: int
) -> None:
    """The nonzero pixels of a batch, tile by tile and sample by sample, for a dense first layer."""
    layer = network.layers[0]
    rows, columns = network.indices[layer.rows :], network.indices[layer.columns :]
    values = network.nonzero[layer.values :]
    tiles = -(-layer.inputs // layer.tile)
    part = k = 0
    for tile in range(tiles):
        for i in range(samples):
            put(rows, part, k)
            part += 1
            if i < len(order):
                here = get(order, i) * tiles + tile
                begin, end = get(examples.starts, here), get(examples.starts, here + 1)
                for pixel in range(begin, end, LANES):
                    to = k + pixel - begin
                    copy_pixels(
                        examples.places,
                        examples.shades,
                        pixel,
                        tile * layer.tile,
                        examples.scale,
                        columns,
                        values,
                        to,
                    )
                k += end - begin
    put(rows, part, k)


@_compiled
def multiply_pixels(network: Network, first: int, width: int, samples: int) -> None:
    """A strip of a dense first layer's products with the collected pixels, by sample."""
    layer = network.layers[0]
    rows, columns = network.indices[layer.rows :], network.indices[layer.columns :]
    values, weights = (
        network.nonzero[layer.values :],
        network.weights[layer.weights + first * layer.inputs * LANES :],
    )
    yt, tiles = network.scratch[first * samples * LANES :], -(-layer.inputs // layer.tile)
    for_width(multiply_strip, width, (rows, tiles, columns, values, weights, yt, samples))


@_compiled
def read_batch(network: Network, examples: Examples, order: NDArray[np.int64], panels: int) -> None:
    """Images as the first layer takes them; for a dense one, its products with them."""
    layer = network.layers[0]
    if layer.dense:
        collect_pixels(network, examples, order, panels * LANES)
        goals = padded(layer.outputs) // LANES
        for first in range(0, goals, STRIP):
            multiply_pixels(network, first, min(STRIP, goals - first), panels * LANES)
    else:
        gather(examples.images, order, len(order), examples.scale, network.activations)


@_compiled
def transpose_pixels(network: Network, samples: int) -> None:
    """The same pixels by input and then by sample; an input has room for one of every sample."""
    layer = network.layers[0]
    rows, columns = network.indices[layer.rows :], network.indices[layer.columns :]
    values = network.nonzero[layer.values :]
    by_input, numbers = (
        network.indices[layer.transposed_rows :],
        network.indices[layer.transposed_columns :],
    )
    shades = network.nonzero[layer.transposed_values :]
    lit = network.indices[layer.lit :]
    for i in range(layer.inputs):
        put(by_input, i, i * samples)
    tiles = -(-layer.inputs // layer.tile)
    for part in range(tiles * samples):
        sample = part % samples * COLUMN
        for k in range(get(rows, part), get(rows, part + 1)):
            i = get(columns, k) // COLUMN
            to = get(by_input, i)
            put(by_input, i, to + 1)
            put(numbers, to, sample)
            put(shades, to, get(values, k))
    for i in range(layer.inputs):
        if get(by_input, i) > i * samples:
            put(lit, i, 1)


@_compiled
def forward(network: Network, number: int, panels: int) -> None:
    """One layer: results = weights @ activations + bias, and ReLU unless it is the last.

    A dense first layer's products are there before.
    """
    layer = network.layers[number]
    inputs, outputs = padded(layer.inputs), padded(layer.outputs)
    x, y = network.activations[layer.activations :], network.activations[layer.results :]
    weights = network.weights[layer.weights :]
    if layer.dense and number == 0:
        transpose(network.scratch, outputs // LANES, panels * LANES, y)
    elif layer.dense:
        for first in range(0, panels, STRIP):
            there, here = x[first * inputs * LANES :], y[first * outputs * LANES :]
            for_width(
                multiply_dense,
                min(STRIP, panels - first),
                (weights, layer.outputs, layer.inputs, there, here),
            )
    else:
        rows, columns = network.indices[layer.rows :], network.indices[layer.columns :]
        tiles = -(-layer.inputs // layer.tile)
        multiply(rows, tiles, columns, weights, x, inputs, y, outputs, layer.outputs, panels)
    hidden = number + 1 < len(network.layers)
    for panel in range(panels):
        at, along = find(panel, panels, outputs)
        for i in range(layer.outputs):
            k = at + i * along
            z = add(load(y, k), spread(get(network.weights, layer.bias + i)))
            store(y, k, where_positive(z, z) if hidden else z)


@_inlined
def exponential(x: Any) -> Any:
    """exp(x) for x <= 0, to float32's rounding; never denormal."""
    x = highest(x, spread(np.float32(-87)))
    shifted = multiply_add(x, spread(np.float32(1 / math.log(2))), spread(np.float32(ROUNDING)))
    n = subtract(shifted, spread(np.float32(ROUNDING)))
    r = multiply_add(n, spread(np.float32(-0.693359375)), x)  # ln 2 in two parts
    r = multiply_add(n, spread(np.float32(0.693359375 - math.log(2))), r)
    series = spread(np.float32(1 / 5040))
    series = multiply_add(series, r, spread(np.float32(1 / 720)))
    series = multiply_add(series, r, spread(np.float32(1 / 120)))
    series = multiply_add(series, r, spread(np.float32(1 / 24)))
    series = multiply_add(series, r, spread(np.float32(1 / 6)))
    series = multiply_add(series, r, spread(np.float32(1 / 2)))
    series = multiply_add(series, r, spread(np.float32(1)))
    series = multiply_add(series, r, spread(np.float32(1)))
    return times(series, power_of_two(shifted))


@_compiled
def losses(
    network: Network, labels: NDArray[np.int64], order: NDArray[np.int64], learning: bool
) -> tuple[float, int]:
    """Summed cross-entropy and correct answers of a batch; learning, also the mean's gradient."""
    layer = network.layers[-1]
    classes, batch = layer.outputs, len(order)
    panels = padded(batch) // LANES
    total, correct = 0.0, 0
    share = np.float32(1 / batch)
    for panel in range(panels):
        first = panel * LANES
        at, step = find(panel, panels, padded(classes))
        logits, gradient = (
            network.activations[layer.results + at :],
            network.gradients[layer.results + at :],
        )
        top, norm = load(logits, 0), spread(np.float32(0))
        for k in range(step, classes * step, step):
            top = highest(top, load(logits, k))
        for k in range(0, classes * step, step):
            power = exponential(subtract(load(logits, k), top))
            norm = add(norm, power)
            if learning:
                store(gradient, k, power)
        tops, norms = network.products, network.products[LANES:]
        store(tops, 0, top)
        store(norms, 0, norm)
        if learning:
            scale = divide(spread(share), norm)
            for k in range(0, classes * step, step):
                store(gradient, k, times(load(gradient, k), scale))
        for lane in range(min(LANES, batch - first)):
            label = labels[order[first + lane]]
            logit = logits[label * step + lane]
            total += math.log(norms[lane]) + (tops[lane] - logit)
            if learning:
                gradient[label * step + lane] -= share
            elif logit == tops[lane]:
                tied = 0
                for i in range(label):
                    tied += logits[i * step + lane] == logit
                correct += tied == 0
        if learning:
            for k in range(0, classes * step, step):
                for lane in range(batch - first, LANES):
                    gradient[k + lane] = 0
    return total, correct


class Rule(NamedTuple):
    """The optimizer at one step, in float32 as torch applies it."""

    adam: bool
    rate: np.float32  # minus the learning rate; Adam: divided by its first bias correction
    correction: np.float32  # Adam: 1 / the square root of its second bias correction
    momentum: np.float32
    weight_decay: np.float32
    # Adam's constants: compiled code keeps in registers what it is given, and loads what it knows.
    share1: np.float32  # of the gradient in its mean
    decay2: np.float32  # of the mean square
    share2: np.float32  # of the gradient's square in it
    epsilon: np.float32


@_inlined
def descend(
    rule: Rule, weights: Floats, moment1: Floats, moment2: Floats, at: int, gradient: Any
) -> None:
    """Let the optimizer move the weights from `at`, as many as the gradient's."""
    w, m = load_all(gradient, weights, at), load_all(gradient, moment1, at)
    g = multiply_add(spread(rule.weight_decay), w, gradient)
    if rule.adam:
        m = multiply_add(subtract(g, m), spread(rule.share1), m)
        v = times(load_all(gradient, moment2, at), spread(rule.decay2))
        v = multiply_add(times(g, g), spread(rule.share2), v)
        store(moment2, at, v)
        scale = multiply_add(root(v), spread(rule.correction), spread(rule.epsilon))
        change = divide(m, scale)
    else:
        m = change = multiply_add(spread(rule.momentum), m, g)
    store(moment1, at, m)
    store(weights, at, multiply_add(spread(rule.rate), change, w))


@_compiled
def dust(moments: Floats) -> None:
    """Set to 0 what is smaller than 1e-30."""
    for k in range(0, len(moments), LANES):
        store(moments, k, without_dust(load(moments, k)))


@_inlined
def adjust(
    rule: Rule,
    masked: bool,
    kept: Any,
    weights: Floats,
    moment1: Floats,
    moment2: Floats,
    k: int,
    gradient: Any,
) -> None:
    """Let the optimizer move a dense layer's weights, but no pruned ones."""
    if masked:
        gradient = where_kept(kept, k, gradient)
    descend(rule, weights, moment1, moment2, k, gradient)


@_compiled
def descend_dense(
    like: Any,
    x: Floats,
    batch: int,
    columns: int,
    gyt: Floats,
    products: Floats,
    rule: Rule,
    masked: bool,
    kept: NDArray[np.uint16],
    weights: Floats,
    moment1: Floats,
    moment2: Floats,
    inputs: int,
) -> None:
    """The weights' step of one strip of a dense layer that is not the first, whose arrays begin
    with it."""
    block, along = block_panels(like), len(like) * LANES
    for begin in range(0, inputs, CHUNK_ROWS):
        end = min(begin + CHUNK_ROWS, inputs)
        multiply_transposed(like, x, batch, columns, begin, end, gyt, products)
        for k in range(begin * along, end * along, len(block) * LANES):
            gradient = load_all(block, products, k - begin * along)
            adjust(rule, masked, kept, weights, moment1, moment2, k, gradient)


@_compiled
def descend_strip(
    zeros: Any,
    lit: Indices,
    ends: Indices,
    samples: int,
    columns: Indices,
    values: Floats,
    gyt: Floats,
    rule: Rule,
    masked: bool,
    kept: NDArray[np.uint16],
    weights: Floats,
    moment1: Floats,
    moment2: Floats,
    inputs: int,
) -> None:
    """The weights' step of one strip of a dense first layer, whose arrays begin with it."""
    for i in range(inputs):
        if get(lit, i) == 0 and rule.weight_decay == 0:
            continue  # gradients and moments are 0, and the weights stay where they are
        gradient = add_row(i * samples, get(ends, i), columns, values, gyt, zeros)
        k = i * (len(zeros) * LANES)
        for panel in range(len(zeros) if WIDE else 0):  # narrower processors lost 5 % by it
            ahead = k + (AHEAD * len(zeros) + panel) * LANES
            fetch(weights, ahead)
            fetch(moment1, ahead)
            fetch(moment2, ahead)
        adjust(rule, masked, kept, weights, moment1, moment2, k, gradient)


@_compiled
def backward_pixels(
    network: Network, examples: Examples, upcoming: NDArray[np.int64], panels: int, rule: Rule
) -> None:
    """The weights' step of a dense first layer; and its products with the next batch, while the
    weights are near.

    `upcoming` is the next batch's row of the order, or none.
    """
    layer = network.layers[0]
    outputs, samples = padded(layer.outputs), panels * LANES
    rows, columns = (
        network.indices[layer.transposed_rows :],
        network.indices[layer.transposed_columns :],
    )
    lit = network.indices[layer.lit :]
    values, gyt = network.nonzero[layer.transposed_values :], network.scratch  # (sample, output)
    transpose_pixels(network, samples)
    transpose(network.gradients[layer.results :], panels, outputs, gyt)
    for order in upcoming:
        collect_pixels(network, examples, order, samples)
    goals = outputs // LANES
    for first in range(0, goals, STRIP):
        at = layer.weights + first * layer.inputs * LANES
        gradients, kept = gyt[first * samples * LANES :], network.kept[at // LANES :]
        weights, moment1, moment2 = network.weights[at:], network.moment1[at:], network.moment2[at:]
        state = rule, layer.masked, kept, weights, moment1, moment2, layer.inputs
        width = min(STRIP, goals - first)
        for_width(descend_strip, width, (lit, rows, samples, columns, values, gradients, *state))
        if len(upcoming) > 0:  # in the gradients' place
            multiply_pixels(network, first, width, samples)


@_compiled
def backward_dense(network: Network, number: int, batch: int, rule: Rule) -> None:
    """The input gradient and the weights' step of a dense layer that is not the first."""
    layer = network.layers[number]
    inputs, outputs, panels = padded(layer.inputs), padded(layer.outputs), padded(batch) // LANES
    x, gx = network.activations[layer.activations :], network.gradients[layer.activations :]
    gy, gyt = (
        network.gradients[layer.results :],
        network.scratch,
    )  # (output, sample), (sample, output)
    weights, products = network.weights[layer.weights :], network.products
    goals = outputs // LANES
    for first in range(0, panels, STRIP):
        there, here = gy[first * outputs * LANES :], gx[first * inputs * LANES :]
        operands = weights, layer.outputs, layer.inputs, 0, layer.inputs, there, here
        for_width(multiply_transposed, min(STRIP, panels - first), operands)
    for k in range(0, panels * LANES * inputs, LANES):
        store(gx, k, where_positive(load(x, k), load(gx, k)))
    transpose(gy, panels, outputs, gyt)
    for first in range(0, goals, STRIP):
        at = layer.weights + first * layer.inputs * LANES
        kept, there = network.kept[at // LANES :], gyt[first * panels * LANES * LANES :]
        state = (
            rule,
            layer.masked,
            kept,
            network.weights[at:],
            network.moment1[at:],
            network.moment2[at:],
        )
        for_width(
            descend_dense,
            min(STRIP, goals - first),
            (x, batch, inputs, there, products, *state, layer.inputs),
        )


@_compiled
def backward_pruned(network: Network, number: int, panels: int, rule: Rule) -> None:
    """A pruned layer's input gradient, if a layer is below it, and its weights' step."""
    layer = network.layers[number]
    inputs, outputs = padded(layer.inputs), padded(layer.outputs)
    x, gx = network.activations[layer.activations :], network.gradients[layer.activations :]
    gy, products = network.gradients[layer.results :], network.products
    weights = network.weights[layer.weights :]
    moment1, moment2 = network.moment1[layer.weights :], network.moment2[layer.weights :]
    if number > 0:
        positions = network.indices[layer.transposed_weights :]
        for k in range(layer.count):
            products[k] = get(weights, get(positions, k))
        rows = network.indices[layer.transposed_rows :]
        columns = network.indices[layer.transposed_columns :]
        tiles = -(-layer.outputs // layer.transposed_tile)
        multiply(rows, tiles, columns, products, gy, outputs, gx, inputs, layer.inputs, panels)
        for k in range(0, panels * LANES * inputs, LANES):
            store(gx, k, where_positive(load(x, k), load(gx, k)))
    rows, columns = network.indices[layer.rows :], network.indices[layer.columns :]
    tiles = -(-layer.inputs // layer.tile)
    operands = columns, gy, outputs, x, inputs, products
    for_width(sample, min(STRIP, panels), (rows, tiles, *operands, layer.outputs, panels))
    for k in range(0, layer.count, LANES):
        descend(rule, weights, moment1, moment2, k, load(products, k))


@_compiled
def descend_biases(network: Network, number: int, panels: int, rule: Rule) -> None:
    layer = network.layers[number]
    outputs = padded(layer.outputs)
    gy, products = network.gradients[layer.results :], network.products
    for i in range(0, outputs, 8):
        a = b = c = d = e = f = g = h = spread(np.float32(0))
        for panel in range(panels):
            at, along = find(panel, panels, outputs)
            at += i * along
            a, b = add(a, load(gy, at)), add(b, load(gy, at + along))
            c, d = add(c, load(gy, at + 2 * along)), add(d, load(gy, at + 3 * along))
            e, f = add(e, load(gy, at + 4 * along)), add(f, load(gy, at + 5 * along))
            g, h = add(g, load(gy, at + 6 * along)), add(h, load(gy, at + 7 * along))
        store_sums(products, i, (a, b, c, d, e, f, g, h))
    for i in range(0, outputs, LANES):
        gradient = where_kept(network.kept, layer.bias + i, load(products, i))
        descend(rule, network.weights, network.moment1, network.moment2, layer.bias + i, gradient)


@_compiled
def backward(network: Network, number: int, batch: int, rule: Rule) -> None:
    """A layer that is not the first: the gradient by its input, and an optimizer step."""
    if network.layers[number].dense:
        backward_dense(network, number, batch, rule)
    else:
        backward_pruned(network, number, padded(batch) // LANES, rule)
    descend_biases(network, number, padded(batch) // LANES, rule)


@_compiled
def backward_first(
    network: Network, examples: Examples, upcoming: NDArray[np.int64], panels: int, rule: Rule
) -> None:
    """The first layer: an optimizer step, and the next batch, if there is one."""
    if network.layers[0].dense:
        backward_pixels(network, examples, upcoming, panels, rule)
    else:
        backward_pruned(network, 0, panels, rule)
        for order in upcoming:
            read_batch(network, examples, order, panels)
    descend_biases(network, 0, panels, rule)


@cached
def train(
    network: Network,
    examples: Examples,
    order: NDArray[np.int64],
    first_step: int,
    adam: bool,
    rate: float,
    momentum: float,
    weight_decay: float,
    batch_losses: NDArray[np.float64],
) -> None:
    """One step per row of `order`; steps count from 1."""
    batch = order.shape[1]
    panels = padded(batch) // LANES
    read_batch(network, examples, order[0], panels)
    for i in range(len(order)):
        step = first_step + i
        rule = Rule(
            adam,
            np.float32(-rate / (1 - BETA1**step) if adam else -rate),
            np.float32(1 / math.sqrt(1 - BETA2**step)),
            np.float32(momentum),
            np.float32(weight_decay),
            np.float32(1 - BETA1),  # rounded only here: in float32 1 - 0.999 is off by 1e-5
            np.float32(BETA2),
            np.float32(1 - BETA2),
            np.float32(EPSILON),
        )
        for number in range(len(network.layers)):
            forward(network, number, panels)
        total, _ = losses(network, examples.labels, order[i], True)
        batch_losses[i] = total / batch
        for number in range(len(network.layers) - 1, 0, -1):
            backward(network, number, batch, rule)
        backward_first(network, examples, order[i + 1 : i + 2], panels, rule)
        if step % DUSTING == 0:
            dust(network.moment1)
            dust(network.moment2)


@cached
def evaluate(
    network: Network,
    examples: Examples,
    all_images: NDArray[np.int64],
    batch: int,
) -> tuple[float, int]:
    """Summed cross-entropy and correct answers of the images in `order`."""
    total, correct = 0.0, 0
    for begin in range(0, len(all_images), batch):
        order = all_images[begin : begin + batch]
        panels = padded(len(order)) // LANES
        read_batch(network, examples, order, panels)
        for number in range(len(network.layers)):
            forward(network, number, panels)
        loss, right = losses(network, examples.labels, order, False)
        total += loss
        correct += right
    return total, correct
