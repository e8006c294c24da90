"""Tensors in what `torch.save` writes: a zip archive with a pickle and the bytes of every storage.

The pickle may only put tensors into a dict by name, a part of what `torch.load(weights_only=True)`
allows. Sizes are checked before anything is allocated for them.
"""

import io
import math
import zipfile
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import numpy as np

from lthctl.errors import CheckpointError
from lthctl.interop.entries import BFLOAT16, Entry, itemsize, numbers
from lthctl.mask import Array
from lthctl.pickles import Name, OpcodeError, PickleError, read_pickle, text_of

WAY_OUT = "save the state_dict alone: torch.save(model.state_dict(), FILE)"

PICKLE_LIMIT = 2**21  # bytes; a tensor takes some 200

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


ORDERED_DICT = "collections.OrderedDict"

REBUILD_TENSOR = "torch._utils._rebuild_tensor_v2"

REBUILD_PARAMETER = "torch._utils._rebuild_parameter"


def read_torch(content: bytes, limit: int) -> dict[str, Entry]:
    """What the bytes of a file by `torch.save` hold.

    Args:
      content: the archive; its members are stored as they are.
      limit: bytes that one tensor may need.

    Raises:
      CheckpointError: it is damaged, holds more than tensors by name, or needs code to be run.
      zipfile.BadZipFile, ValueError, TypeError, LookupError and others: it is damaged.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        folder = _folder_of(archive, len(content))
        names = set(archive.namelist())  # some may be there more than once
        if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") != b"little":
            raise CheckpointError(
                "was written on a big-endian machine; save it on a little-endian one"
            )
        # Each storage is read once, however many tensors claim to share it.
        data = f"{folder}data/"
        records = {
            name.removeprefix(data): archive.read(name) for name in names if name.startswith(data)
        }
        pickled = archive.read(f"{folder}data.pkl")
    try:
        tensors = read_pickle(pickled, _Tensors(records, limit), max_opcodes=PICKLE_LIMIT)
    except OpcodeError as error:
        raise CheckpointError(f"{error}, which no dict of tensors does; {WAY_OUT}") from error
    except PickleError as error:
        raise CheckpointError(f"{error}; {WAY_OUT}") from error
    if not isinstance(tensors, dict):
        raise CheckpointError(
            f"holds one {_kind(tensors)}, expected a dict of names and tensors; {WAY_OUT}"
        )
    others = [name for name, value in tensors.items() if not isinstance(value, Entry)]
    if others:
        named = ", ".join(f"{name[:40]!r} ({_kind(tensors[name])})" for name in others[:5])
        raise CheckpointError(f"holds more than tensors by name: {named}; {WAY_OUT}")
    return tensors


def _folder_of(archive: zipfile.ZipFile, size: int) -> str:
    """The folder in an archive that holds all the rest; with nothing in it that is too large."""
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
    if compressed or sum(member.file_size for member in members.values()) > size:
        raise CheckpointError(
            "is an archive that unpacks to more than its size, which torch.save never makes"
        )
    if members[pickles[0]].file_size > PICKLE_LIMIT:
        raise CheckpointError(f"its data.pkl is larger than {PICKLE_LIMIT:,} bytes; {WAY_OUT}")
    return pickles[0].removesuffix("data.pkl")


@dataclass(frozen=True)
class _Storage:
    dtype: str
    data: bytes


class _Tensors:
    """What the names in the pickle of a dict of tensors stand for."""

    names: Container[str] = frozenset(
        {ORDERED_DICT, REBUILD_TENSOR, REBUILD_PARAMETER, *(f"torch.{name}" for name in STORAGES)}
    )

    def __init__(self, records: dict[str, bytes], limit: int) -> None:
        self._records, self._limit = records, limit

    def call(self, name: str, arguments: tuple[Any, ...]) -> object:
        if name == ORDERED_DICT and arguments == ():
            return {}
        if name == REBUILD_PARAMETER:
            return arguments[0]
        if name == REBUILD_TENSOR:
            return self._tensor(*arguments[:4])
        raise PickleError(f"calls {name}, which no dict of tensors does")

    def look_up(self, reference: tuple[Any, ...]) -> object:
        return self._storage(*reference)

    def set_state(self, target: Any, state: Any) -> None:
        """Nothing: those are an OrderedDict's, the versions of modules, of no use here."""

    def _storage(self, kind: str, storage: Name, key: str, device: str, count: int) -> _Storage:
        dtype = STORAGES[storage.full.removeprefix("torch.")]
        data = self._records[text_of(key)]
        if type(count) is not int or len(data) != count * itemsize(dtype):
            raise CheckpointError(
                f"its storage {key[:40]!r} has {len(data)} bytes, expected those of {dtype}"
            )
        return _Storage(dtype, data)

    def _tensor(
        self, storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
    ) -> Entry:
        """A view of a storage, which must lie inside it."""
        wholes = (offset, *shape, *strides)
        size = itemsize(storage.dtype)
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
                return np.zeros(shape, np.float32 if storage.dtype == BFLOAT16 else storage.dtype)
            flat = numbers(storage.data, storage.dtype)[offset:]
            in_bytes = [stride * flat.itemsize for stride in strides]
            return np.array(np.lib.stride_tricks.as_strided(flat, shape, in_bytes), order="C")

        return Entry(storage.dtype, shape, read)


def _kind(value: object) -> str:
    return "tensor" if isinstance(value, Entry) else type(value).__name__
