"""Tensors in a safetensors file."""

import json

from lthctl.errors import CheckpointError
from lthctl.interop.entries import BFLOAT16, Checkpoint, Entry, numbers
from lthctl.mask import Array

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
    "U16": "<u2",
    "U32": "<u4",
    "U64": "<u8",
}


def read_safetensors(content: bytes) -> Checkpoint:
    """What the bytes of a safetensors file hold.

    Raises:
      CheckpointError: it is no such file, or has numbers of a type that is not read here.
    """
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
            return numbers(data, dtype).reshape(shape)

        entries[name] = Entry(dtype, shape, read)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return Checkpoint(entries, header.get("__metadata__", {}).get("lthctl"))
