# mypy: allow-untyped-calls
"""Operations of compiled code on single numbers, vectors of 16 floats, and tuples of vectors."""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types

from lthctl.training.sparse.kernels.instructions import (
    LANE,
    VECTOR,
    address_of,
    call_intrinsic,
    intrinsic,
    load_vector,
    shuffle,
    spread_scalar,
    store_vector,
    value_like,
    vector_type,
    vectors_of,
)
from lthctl.training.sparse.kernels.processor import LANES


@intrinsic
def get(_: Any, array: Any, index: Any) -> Any:
    """`array[index]` without Python's negative indices; integers come out as wide as an index."""
    whole = isinstance(array.dtype, types.Integer)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = builder.load(address_of(context, builder, signature.args[0], *arguments))
        return context.cast(builder, value, array.dtype, types.intp) if whole else value

    return (types.intp if whole else array.dtype)(array, types.intp), build


@intrinsic
def put(_: Any, array: Any, index: Any, value: Any) -> Any:
    """`array[index] = value`, likewise."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, index, value = arguments
        kind = signature.args[0]
        value = context.cast(builder, value, signature.args[2], kind.dtype)
        builder.store(value, address_of(context, builder, kind, array, index))
        return context.get_dummy_value()

    return types.void(array, types.intp, value), build


@intrinsic
def fetch(_: Any, array: Any, index: Any) -> Any:
    """Ask for array[index:], which may be past the array's end, to be brought near."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = builder.bitcast(
            address_of(context, builder, signature.args[0], *arguments), ir.IntType(8).as_pointer()
        )
        hints = [LANE(0), LANE(3), LANE(1)]  # for reading, to be kept, data
        call_intrinsic(builder, "llvm.prefetch.p0i8", ir.VoidType(), [address, *hints])
        return context.get_dummy_value()

    return types.void(array, types.intp), build


@intrinsic
def load(_: Any, array: Any, index: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return load_vector(
            builder, address_of(context, builder, signature.args[0], *arguments), VECTOR
        )

    return vector_type(array, types.intp), build


@intrinsic
def spread(_: Any, scalar: Any) -> Any:
    """The scalar in every lane."""

    def build(_: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return spread_scalar(builder, arguments[0])

    return vector_type(types.float32), build


def _lanewise(one: Callable[..., Any]) -> Any:
    """An operation on vectors, from what builds it for one; of tuples of vectors, it takes one
    vector after another."""

    def typing(*kinds: Any) -> Any:
        n = next((n for n, kind in enumerate(kinds) if isinstance(kind, types.UniTuple)), 0)

        def build(_: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            lists = [vectors_of(builder, *pair) for pair in zip(kinds, arguments, strict=True)]
            count = len(lists[n])
            each = zip(*(vectors * (count // len(vectors)) for vectors in lists), strict=True)
            return value_like(
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
root = _lanewise(lambda builder, x: call_intrinsic(builder, f"llvm.sqrt.v{LANES}f32", VECTOR, [x]))


@_lanewise
def multiply_add(builder: Any, x: Any, y: Any, z: Any) -> Any:
    """x * y + z, rounded once where the processor can."""
    return call_intrinsic(builder, f"llvm.fmuladd.v{LANES}f32", VECTOR, [x, y, z])


@_lanewise
def where_positive(builder: Any, condition: Any, value: Any) -> Any:
    """The value where the condition is > 0 or NaN, else 0: ReLU and its gradient keep NaN."""
    zero = ir.Constant(VECTOR, None)
    return builder.select(builder.fcmp_ordered("<=", condition, zero), zero, value)


@_lanewise
def highest(builder: Any, x: Any, y: Any) -> Any:
    """The larger lanes; x where it is NaN."""
    return builder.select(builder.fcmp_ordered("<", x, y), y, x)


@_lanewise
def power_of_two(builder: Any, shifted: Any) -> Any:
    """2**n, given n + ROUNDING, from n's bits."""
    whole = ir.VectorType(LANE, LANES)
    exponent = builder.add(builder.bitcast(shifted, whole), ir.Constant(whole, [127] * LANES))
    return builder.bitcast(builder.shl(exponent, ir.Constant(whole, [23] * LANES)), VECTOR)


@_lanewise
def without_dust(builder: Any, vector: Any) -> Any:
    """0 in place of what is smaller than 1e-30: below 1e-38 processors slow down a hundredfold."""
    size = call_intrinsic(builder, f"llvm.fabs.v{LANES}f32", VECTOR, [vector])
    dust = builder.fcmp_ordered("<", size, ir.Constant(VECTOR, [1e-30] * LANES))
    return builder.select(dust, ir.Constant(VECTOR, None), vector)


@intrinsic
def store_sums(_: Any, array: Any, at: Any, sums: Any) -> Any:
    """Store the lane sums of four or eight vectors at array[at:], halving all of them at once."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, at, sums = arguments
        rest = vectors_of(builder, signature.args[2], sums)
        lanes = [8 * (i & 1) + 2 * (i & 2) + i // 4 * 2 for i in range(len(rest))]
        for half in (8, 4, 2):
            # of two vectors, the one's sums go to lanes without this bit, the other's to those with
            # it
            stay = [lane + LANES * bool(lane & half and len(rest) > 1) for lane in range(LANES)]
            move = [lane ^ half for lane in stay]
            rest = [
                builder.fadd(shuffle(builder, *pair, stay), shuffle(builder, *pair, move))
                for pair in zip(rest[::2], rest[1::2] or rest, strict=True)
            ]
        even = shuffle(builder, rest[0], rest[0], lanes)
        odd = shuffle(builder, rest[0], rest[0], [lane + 1 for lane in lanes])
        address = address_of(context, builder, signature.args[0], array, at)
        store_vector(builder, builder.fadd(even, odd), address)
        return context.get_dummy_value()

    return types.void(array, types.intp, sums), build


@intrinsic
def load_all(_: Any, like: Any, array: Any, at: Any) -> Any:
    """As many vectors as another value has, the i-th of them array[at + i * 16:]."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        like, array, at = arguments
        kinds, vectors = signature.args, []
        for i in range(getattr(kinds[0], "count", 1)):
            address = address_of(
                context, builder, kinds[1], array, builder.add(at, at.type(i * LANES))
            )
            vectors.append(load_vector(builder, address, VECTOR))
        return value_like(builder, kinds[0], like, vectors)

    return like(like, array, types.intp), build


@intrinsic
def store(_: Any, array: Any, at: Any, vectors: Any) -> Any:
    """array[at + i * 16:] = the i-th vector."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, at, vectors = arguments
        kinds = signature.args
        for i, vector in enumerate(vectors_of(builder, kinds[2], vectors)):
            address = address_of(
                context, builder, kinds[0], array, builder.add(at, at.type(i * LANES))
            )
            store_vector(builder, vector, address)
        return context.get_dummy_value()

    return types.void(array, types.intp, vectors), build


@intrinsic
def where_kept(_: Any, kept: Any, at: Any, vectors: Any) -> Any:
    """The lanes whose bit of kept[at // 16:] is set; 0 in the others."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kept, at, vectors = arguments
        kinds, result = signature.args, []
        first = builder.lshr(at, at.type(LANES.bit_length() - 1))
        for i, vector in enumerate(vectors_of(builder, kinds[2], vectors)):
            index = builder.add(first, first.type(i))
            bits = builder.load(address_of(context, builder, kinds[0], kept, index))
            lanes = builder.bitcast(bits, ir.VectorType(ir.IntType(1), LANES))
            result.append(builder.select(lanes, vector, ir.Constant(VECTOR, None)))
        return value_like(builder, kinds[2], vectors, result)

    return vectors(kept, types.intp, vectors), build
