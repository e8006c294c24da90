# mypy: allow-untyped-calls
"""Sixteen floats as a value of compiled code, and the LLVM instructions that handle them.

LLVM keeps these vectors in registers and splits them where the processor's are shorter. Its own
vectorizer keeps the accumulators of loops like ours in memory, which costs more than arithmetic.

What is here runs while kernels are compiled and builds their instructions. Kernels call what
`vectors`, `strips` and `tiles` make of it.
"""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import extending
from numba.core import cgutils, types

from lthctl.training.sparse.kernels.processor import LANES

intrinsic: Callable[[Callable[..., Any]], Any] = extending.intrinsic
"""An operation of compiled code, from its signature and what builds its instructions."""

FLOAT, LANE = ir.FloatType(), ir.IntType(32)

VECTOR = ir.VectorType(FLOAT, LANES)

_UNDEFINED = ir.Constant(VECTOR, ir.Undefined)


class VectorType(types.Type):
    """The type of a vector of 16 floats."""

    def __init__(self) -> None:
        super().__init__(name="Vector16")


@extending.register_model(VectorType)
class _VectorModel(extending.models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, VECTOR)


vector_type = VectorType()


def address_of(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [index])


def _in_register(builder: Any, address: Any) -> Any:
    """The same address, hidden from LLVM, which else adds it up anew in every instruction that uses
    it."""
    kind = ir.FunctionType(address.type, [address.type])
    return builder.call(ir.InlineAsm(kind, "", "=r,0"), [address])


def address_of_column(builder: Any, strip: Any, column: Any, panels: Any) -> Any:
    """Where a column of a strip of so many panels begins."""
    bytes_ = builder.bitcast(strip, ir.IntType(8).as_pointer())
    address = builder.gep(bytes_, [builder.mul(column, panels)])
    return _in_register(builder, builder.bitcast(address, strip.type))


def load_vector(builder: Any, address: Any, kind: Any) -> Any:
    vector = builder.load(builder.bitcast(address, kind.as_pointer()))
    vector.align = 4 if kind.element == FLOAT else 1
    return vector


def store_vector(builder: Any, vector: Any, address: Any) -> None:
    builder.store(vector, builder.bitcast(address, vector.type.as_pointer())).align = 4


def shuffle(builder: Any, first: Any, second: Any, lanes: Sequence[int]) -> Any:
    return builder.shuffle_vector(
        first, second, ir.Constant(ir.VectorType(LANE, len(lanes)), list(lanes))
    )


def call_intrinsic(builder: Any, name: str, result: Any, arguments: Sequence[Any]) -> Any:
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def vectors_of(builder: Any, kind: Any, value: Any) -> list[Any]:
    """A tuple of vectors as a list, or a single one."""
    if isinstance(kind, VectorType):
        return [value]
    return [builder.extract_value(value, i) for i in range(kind.count)]


def value_like(builder: Any, kind: Any, value: Any, vectors: Sequence[Any]) -> Any:
    """A list of vectors in the form of a value: a tuple of them, or a single one."""
    if isinstance(kind, VectorType):
        return vectors[0]
    for i, vector in enumerate(vectors):
        value = builder.insert_value(value, vector, i)
    return value


def spread_scalar(builder: Any, scalar: Any) -> Any:
    first = builder.insert_element(_UNDEFINED, scalar, LANE(0))
    return shuffle(builder, first, _UNDEFINED, [0] * LANES)


def add_product_to(builder: Any, sums: Any, i: int, x: Any, y: Any) -> Any:
    """A tuple of vectors with x * y added to its i-th."""
    arguments = [x, y, builder.extract_value(sums, i)]
    return builder.insert_value(
        sums, call_intrinsic(builder, f"llvm.fmuladd.v{LANES}f32", VECTOR, arguments), i
    )
