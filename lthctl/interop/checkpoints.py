"""Checkpoints made by other programs, read without trusting them.

Knows two formats, safetensors and what `torch.save` writes, and nothing of models. No pickle is
run: the one inside a PyTorch file is read opcode by opcode, and only those are understood that put
tensors into a dict by name, a part of what `torch.load(weights_only=True)` allows. Sizes are
checked before anything is allocated for them.
"""

import io
import json
import math
import pickletools
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lthctl.disk import read_file
from lthctl.errors import CheckpointError
from lthctl.mask import Array

WAY_OUT = "save the state_dict alone: torch.save(model.state_dict(), FILE)"


PICKLE_LIMIT = 2**21  # bytes; a tensor takes some 200


MAX_DIMENSIONS = 32


BFLOAT16 = "bfloat16"  # NumPy has none; its bits are the upper half of a float32's


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


DTYPES = {
    "F32": "<f4",
    "F16": "<f2",
    "F64": "<f8",
    "BF16": BFLOAT16,
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "I16": "<i2",
    "I32": "<i4",
    "I64": "<i8",
}


DAMAGE = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    RuntimeError,
    ArithmeticError,
    EOFError,
    MemoryError,
    zipfile.BadZipFile,
    struct.error,
)
"""What the readers of zip archives and pickles raise on bytes that nobody wrote."""


@dataclass(frozen=True)
class Entry:
    """A tensor in a file.

    Attributes:
      dtype: its type as NumPy calls it, or "bfloat16".
      shape: its shape.
      read: allocates and fills the array; bfloat16 as the float32 of the same value.
    """

    dtype: str
    shape: tuple[int, ...]
    read: Callable[[], Array]


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a file by name, and the note that lthctl leaves in files of its own."""

    entries: dict[str, Entry]
    note: str | None = None


def read_checkpoint(path: Path, *, limit: int) -> Checkpoint:
    """What a file of tensors holds.

    Args:
      path: safetensors, or a dict of tensors saved by `torch.save`; told apart by their content.
      limit: bytes that the file may have, and that one tensor may need.

    Raises:
      CheckpointError: it is missing, too large, damaged, of another format, or needs code to be
        run.
    """
    content = read_file(path, CheckpointError, limit=limit)
    try:
        if content.startswith(b"PK"):
            return Checkpoint(_from_torch(content, limit))
        if content[8:9] == b"{":
            return _from_safetensors(content)
        if content.startswith(b"\x80"):
            raise CheckpointError(
                f"is a pickle, which is never run; {WAY_OUT}, with PyTorch 1.6 or newer"
            )
        raise CheckpointError("is neither safetensors nor what torch.save writes")
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except DAMAGE as error:
        raise CheckpointError(
            f"{path}: is truncated or damaged ({type(error).__name__}: {str(error)[:200]})"
        ) from error


def _from_safetensors(content: bytes) -> Checkpoint:
    from safetensors import SafetensorError, deserialize

    try:
        tensors = deserialize(content)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise CheckpointError(f"is no safetensors file ({error})") from error
    entries = {}
    for name, tensor in tensors:
        if tensor["dtype"] not in DTYPES:
            raise CheckpointError(
                f"{name!r} is of type {tensor['dtype']}, expected one of {', '.join(DTYPES)}"
            )
        dtype, shape = DTYPES[tensor["dtype"]], tuple(tensor["shape"])

        def read(
            data: bytes = tensor["data"], dtype: str = dtype, shape: tuple[int, ...] = shape
        ) -> Array:
            return _numbers(data, dtype).reshape(shape)

        entries[name] = Entry(dtype, shape, read)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return Checkpoint(entries, header.get("__metadata__", {}).get("lthctl"))


def _numbers(data: bytes, dtype: str) -> Array:
    if dtype == BFLOAT16:
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(data, dtype).copy()


def _from_torch(content: bytes, limit: int) -> dict[str, Entry]:
    """A zip archive, its members stored as they are: a pickle, and the bytes of every storage."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {member.filename: member for member in archive.infolist()}
        pickles = [name for name in members if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise CheckpointError(
                f"is an archive with {len(pickles)} files data.pkl, expected one; {WAY_OUT}"
            )
        # torch.save never compresses: so what is unpacked can be no larger than the file.
        compressed = [
            name for name, member in members.items() if member.compress_type != zipfile.ZIP_STORED
        ]
        if compressed or sum(member.file_size for member in members.values()) > len(content):
            raise CheckpointError(
                "is an archive that unpacks to more than its size, which torch.save never makes"
            )
        if members[pickles[0]].file_size > PICKLE_LIMIT:
            raise CheckpointError(f"its data.pkl is larger than {PICKLE_LIMIT:,} bytes; {WAY_OUT}")
        folder = pickles[0].removesuffix("data.pkl")

        def content_of(name: str) -> bytes:
            return archive.read(members[folder + name])

        if f"{folder}byteorder" in members and content_of("byteorder") != b"little":
            raise CheckpointError(
                "was written on a big-endian machine; save it on a little-endian one"
            )
        # Each storage is read once, however many tensors claim to share it.
        storages = [
            name.removeprefix(f"{folder}data/")
            for name in members
            if name.startswith(f"{folder}data/")
        ]
        records = {key: content_of(f"data/{key}") for key in storages}
        found = _TensorPickle(records, limit).read(content_of("data.pkl"))
    if not isinstance(found, dict):
        raise CheckpointError(
            f"holds one {_kind(found)}, expected a dict of names and tensors; {WAY_OUT}"
        )
    others = [name for name, value in found.items() if not isinstance(value, Entry)]
    if others:
        named = ", ".join(f"{name[:40]!r} ({_kind(found[name])})" for name in others[:5])
        raise CheckpointError(f"holds more than tensors by name: {named}; {WAY_OUT}")
    return found


@dataclass(frozen=True)
class _Global:
    """A name that a pickle asks for; never looked up."""

    name: str


@dataclass(frozen=True)
class _Storage:
    dtype: str
    data: bytes


_MARK = object()


class _TensorPickle:
    """Reads the opcodes of a pickle of tensors. Runs nothing: a name in it stays a name.

    What a pickle builds may be nested so that to hash, compare or print it takes for ever; only
    strings and numbers are hashed and printed here.
    """

    def __init__(self, records: dict[str, bytes], limit: int) -> None:
        self._records, self._limit = records, limit
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def read(self, content: bytes) -> object:
        stack, memo = self._stack, self._memo
        argument: Any
        for opcode, argument, _ in pickletools.genops(content):
            match opcode.name:
                case "PROTO":
                    pass
                case "MARK":
                    stack.append(_MARK)
                case "EMPTY_DICT":
                    stack.append({})
                case "EMPTY_LIST":
                    stack.append([])
                case "EMPTY_TUPLE":
                    stack.append(())
                case "TUPLE1" | "TUPLE2" | "TUPLE3":
                    count = int(opcode.name[-1])
                    stack[-count:] = [tuple(stack[-count:])]
                case "TUPLE":
                    stack.append(tuple(self._pop_to_mark()))
                case "NONE" | "NEWTRUE" | "NEWFALSE":
                    stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[opcode.name])
                case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE":
                    stack.append(argument)
                case "GLOBAL":
                    stack.append(self._global(*str(argument).split(" ", 1)))
                case "BINPUT" | "LONG_BINPUT":
                    memo[argument] = stack[-1]
                case "BINGET" | "LONG_BINGET":
                    stack.append(memo[argument])
                case "BINPERSID":
                    stack.append(self._storage(*stack.pop()))
                case "REDUCE":
                    arguments, function = stack.pop(), stack.pop()
                    stack.append(self._call(function.name, arguments))
                case "SETITEM":
                    value, key = stack.pop(), stack.pop()
                    stack[-1][_text(key)] = value
                case "SETITEMS":
                    items = self._pop_to_mark()
                    stack[-1].update(zip(map(_text, items[::2]), items[1::2], strict=True))
                case "APPEND":
                    value = stack.pop()
                    stack[-1].append(value)
                case "APPENDS":
                    items = self._pop_to_mark()
                    stack[-1].extend(items)
                case "BUILD":
                    stack.pop()  # attributes of an OrderedDict: versions of modules, of no use here
                case "STOP":
                    return stack.pop()
                case other:
                    raise CheckpointError(
                        f"needs the pickle opcode {other}, which no dict of tensors does; {WAY_OUT}"
                    )
        raise CheckpointError("its pickle has no end")

    def _pop_to_mark(self) -> list[Any]:
        items: list[Any] = []
        while (item := self._stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def _global(self, module: str, name: str) -> _Global:
        full = f"{module}.{name}"
        known = {
            "collections.OrderedDict",
            "torch._utils._rebuild_tensor_v2",
            "torch._utils._rebuild_parameter",
        }
        if full not in known and not (module == "torch" and name in STORAGES):
            raise CheckpointError(f"needs {full[:100]}, which would have to be run; {WAY_OUT}")
        return _Global(full)

    def _storage(self, kind: str, storage: _Global, key: str, device: str, count: int) -> _Storage:
        dtype = STORAGES[storage.name.removeprefix("torch.")]
        data = self._records[_text(key)]
        if type(count) is not int or len(data) != count * _itemsize(dtype):
            raise CheckpointError(
                f"its storage {key[:40]!r} has {len(data)} bytes, expected those of {dtype}"
            )
        return _Storage(dtype, data)

    def _call(self, function: str, arguments: tuple[Any, ...]) -> object:
        if function == "collections.OrderedDict" and arguments == ():
            return {}
        if function == "torch._utils._rebuild_parameter":
            return arguments[0]
        if function == "torch._utils._rebuild_tensor_v2":
            return self._tensor(*arguments[:4])
        raise CheckpointError(f"calls {function}, which no dict of tensors does; {WAY_OUT}")

    def _tensor(
        self, storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
    ) -> Entry:
        """A view of a storage, which must lie inside it."""
        numbers = (offset, *shape, *strides)
        itemsize = _itemsize(storage.dtype)
        if not all(type(number) is int and 0 <= number < 2**62 for number in numbers):
            raise CheckpointError("a tensor's shape is not made of whole numbers")
        if len(shape) != len(strides) or len(shape) > MAX_DIMENSIONS:
            raise CheckpointError(
                f"a tensor has {len(shape)} dimensions and {len(strides)} strides"
            )
        last = offset + sum(
            (size - 1) * stride for size, stride in zip(shape, strides, strict=True)
        )
        if math.prod(shape) * itemsize > self._limit or (
            0 not in shape and last >= len(storage.data) // itemsize
        ):
            raise CheckpointError(f"a tensor of shape {shape} does not lie inside its storage")

        def read() -> Array:
            if 0 in shape:
                return np.zeros(shape, np.float32 if storage.dtype == BFLOAT16 else storage.dtype)
            flat = _numbers(storage.data, storage.dtype)[offset:]
            in_bytes = [stride * flat.itemsize for stride in strides]
            return np.array(np.lib.stride_tricks.as_strided(flat, shape, in_bytes), order="C")

        return Entry(storage.dtype, shape, read)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise CheckpointError(
            f"has something of type {_kind(value)} where a name is expected; {WAY_OUT}"
        )
    return value


def _kind(value: object) -> str:
    return "tensor" if isinstance(value, Entry) else type(value).__name__


def _itemsize(dtype: str) -> int:
    return 2 if dtype == BFLOAT16 else np.dtype(dtype).itemsize
