"""What the names in the pickle of a dict of tensors stand for.

Every argument of a known call is honoured or refused. Sizes are checked before anything is
allocated for them.
"""

import math
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import numpy as np

from lthctl.errors import CheckpointError
from lthctl.interop.entries import BFLOAT16, Entry, itemsize, numbers
from lthctl.mask import Array
from lthctl.pickles import Name, PickleError, text_of

MAX_DIMENSIONS = 32

STORAGES = {
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "DoubleStorage": "<f8",
    "BFloat16Storage": BFLOAT16,
    "BoolStorage": "?",
    "ByteStorage": "u1",
    "CharStorage": "i1",
    "ShortStorage": "<i2",
    "IntStorage": "<i4",
    "LongStorage": "<i8",
}


UNREAD = {
    "torch.ComplexFloatStorage",
    "torch.ComplexDoubleStorage",
    "torch.QInt8Storage",
    "torch.QUInt8Storage",
    "torch.QInt32Storage",
    "torch.float8_e4m3fn",
    "torch.float8_e5m2",
    "torch.float8_e4m3fnuz",
    "torch.float8_e5m2fnuz",
}
"""Types of numbers that weights and masks have not."""

UNTYPED = "torch.storage.UntypedStorage"
"""Bytes. The type of what is in them stands beside each tensor."""

NEWER_TYPES = {"torch.uint16": "<u2", "torch.uint32": "<u4", "torch.uint64": "<u8"}
"""Of those that have no storage of their own, the ones that NumPy has too."""

ORDERED_DICT = "collections.OrderedDict"

REBUILD_TENSOR = "torch._utils._rebuild_tensor_v2"

REBUILD_NEWER_TENSOR = "torch._utils._rebuild_tensor_v3"

REBUILD_PARAMETER = "torch._utils._rebuild_parameter"


@dataclass(frozen=True)
class _Storage:
    dtype: str | None
    data: bytes


class TorchTensors:
    """What the names in the pickle of a dict of tensors stand for."""

    names: Container[str] = frozenset(
        {ORDERED_DICT, REBUILD_TENSOR, REBUILD_NEWER_TENSOR, REBUILD_PARAMETER, UNTYPED}
        | {f"torch.{name}" for name in STORAGES}
        | NEWER_TYPES.keys()
        | UNREAD
    )

    def __init__(self, records: dict[str, bytes], limit: int) -> None:
        self._records, self._limit = records, limit

    def call(self, name: str, arguments: tuple[Any, ...]) -> object:
        if name == ORDERED_DICT:
            match arguments:
                case ():
                    return {}
                case (list() as pairs,):  # as Python 2 wrote it
                    return {text_of(key): value for key, value in pairs}
        elif name == REBUILD_PARAMETER:
            match arguments:
                case (Entry() as tensor, bool(), dict() as hooks) if not hooks:
                    return tensor
        elif name in (REBUILD_TENSOR, REBUILD_NEWER_TENSOR):
            match arguments:
                case (
                    _Storage() as storage,
                    offset,
                    shape,
                    strides,
                    bool(),
                    dict() as hooks,
                    *more,
                ) if not hooks:
                    if name == REBUILD_NEWER_TENSOR:
                        storage = _Storage(self._newer(more.pop(0)), storage.data)
                    return self._tensor(storage, offset, shape, strides, *more)
        raise PickleError(f"calls {name} in a way that no dict of tensors does")

    def _newer(self, kind: Name) -> str:
        if kind.full in UNREAD:
            raise _unread(kind)
        return NEWER_TYPES[kind.full]

    def look_up(self, reference: tuple[Any, ...]) -> object:
        return self._storage(*reference)

    def set_state(self, target: Any, state: Any) -> None:
        """Nothing: that is an OrderedDict's, the versions of modules, of no use here."""
        if not (isinstance(target, dict) and isinstance(state, dict) and [*state] == ["_metadata"]):
            raise PickleError(
                f"gives attributes to a {kind_of(target)}, which no dict of tensors does"
            )

    def _storage(self, kind: str, storage: Name, key: str, device: str, count: int) -> _Storage:
        if text_of(kind) != "storage" or text_of(device) == "meta":
            raise PickleError("refers to something else than a storage with numbers in it")
        if storage.full in UNREAD:
            raise _unread(storage)
        dtype = None if storage.full == UNTYPED else STORAGES[storage.full.removeprefix("torch.")]
        data = self._records[text_of(key)]
        if type(count) is not int or len(data) != count * (1 if dtype is None else itemsize(dtype)):
            raise CheckpointError(
                f"its storage {key[:40]!r} has {len(data)} bytes, expected those of "
                f"{dtype or 'bytes'}"
            )
        return _Storage(dtype, data)

    def _tensor(
        self,
        storage: _Storage,
        offset: int,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        metadata: dict[str, Any] | None = None,
    ) -> Entry:
        """A view of a storage, which must lie inside it."""
        dtype = storage.dtype
        if dtype is None:
            raise PickleError("has a tensor of bytes without a type")
        if metadata and not (isinstance(metadata, dict) and [*metadata] == ["neg"]):
            raise PickleError("has a tensor that is more than a view of numbers")
        wholes = (offset, *shape, *strides)
        size = itemsize(dtype)
        if not all(type(number) is int and 0 <= number < 2**62 for number in wholes):
            raise CheckpointError("a tensor's shape is not made of whole numbers")
        if len(shape) != len(strides) or len(shape) > MAX_DIMENSIONS:
            raise CheckpointError(
                f"a tensor has {len(shape)} dimensions and {len(strides)} strides"
            )
        last = offset + sum(
            (length - 1) * stride for length, stride in zip(shape, strides, strict=True)
        )
        if math.prod(shape) * size > self._limit or (
            0 not in shape and last >= len(storage.data) // size
        ):
            raise CheckpointError(f"a tensor of shape {shape} does not lie inside its storage")

        def read() -> Array:
            if 0 in shape:
                return np.zeros(shape, np.float32 if dtype == BFLOAT16 else dtype)
            flat = numbers(storage.data, dtype)[offset:]
            in_bytes = [stride * flat.itemsize for stride in strides]
            array = np.array(np.lib.stride_tricks.as_strided(flat, shape, in_bytes), order="C")
            return np.negative(array) if metadata and metadata["neg"] else array

        return Entry(dtype, shape, read)


def _unread(kind: Name) -> CheckpointError:
    known = ", ".join(name.removesuffix("Storage") for name in STORAGES)
    return CheckpointError(f"holds numbers of type {kind.full}, expected one of {known}")


def kind_of(value: object) -> str:
    """What a value is called in messages."""
    return "tensor" if isinstance(value, Entry) else type(value).__name__
