"""Whatever file tensors come in, read as inert data: formats told apart by content.

Where `checkpoints` takes tensors by name alone, this takes all else with it: nested dicts, whole
modules, lists of arrays. Nothing is unpickled: classes stay names (`pickled_objects`).
"""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lthctl.errors import CheckpointError
from lthctl.interop.checkpoints import DAMAGE
from lthctl.interop.entries import Entry, itemsize
from lthctl.interop.pickled_arrays import ARRAY_CALLS
from lthctl.interop.pickled_objects import ObjectMeanings, read_objects
from lthctl.interop.safetensors_file import read_safetensors
from lthctl.interop.torch_tensors import (
    REBUILD_NEWER_TENSOR,
    REBUILD_TENSOR,
    STORAGES,
    TorchTensors,
)
from lthctl.pickles import Name, PickleError
from lthctl.reading import read_file

LIMIT = 2**33
"""Bytes that a file may have."""

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""What a file of torch.save before PyTorch 1.6 begins with."""


def read_object_file(path: Path, *, limit: int = LIMIT) -> object:
    """What a file, or a folder of .npy files, holds: dicts, lists, `Entry`s and `Thing`s.

    Args:
      path: safetensors, torch.save's (of any age), NumPy's .npy and .npz, a pickle, or a folder.
      limit: bytes that it may have, and may unpack to.

    Raises:
      CheckpointError: it is missing, damaged, or of another format.
    """
    try:
        if path.is_dir():
            return _folder(path)
        return _content(read_file(path, CheckpointError, limit=limit), limit)
    except CheckpointError as error:
        text = str(error)
        raise CheckpointError(text if text.startswith(str(path)) else f"{path}: {text}") from error
    except PickleError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except DAMAGE as error:
        raise CheckpointError(
            f"{path}: is truncated or damaged ({type(error).__name__}: {str(error)[:200]})"
        ) from error


def _content(content: bytes, limit: int = LIMIT) -> object:
    if content.startswith(b"PK"):
        return _archive(content, limit)
    if content[8:9] == b"{":
        checkpoint = read_safetensors(content)
        return checkpoint if checkpoint.note is not None else checkpoint.entries
    if content.startswith(b"\x93NUMPY"):
        return _npy(content)
    if content[:1] in (b"\x80", b"(", b"]", b"}"):
        return _pickle(content)
    raise CheckpointError(
        "is no file of tensors that is known here: safetensors, torch.save's, .npy, .npz, a pickle"
    )


def _folder(path: Path) -> dict[str, object]:
    files = sorted(path.glob("*.npy"))
    if not files:
        raise CheckpointError(
            f"{path}: is a folder without .npy files; give a file, or the layout with --from"
        )
    return {file.stem: _npy(read_file(file, CheckpointError, limit=LIMIT)) for file in files}


def _npy(content: bytes) -> Entry:
    array = np.load(io.BytesIO(content), allow_pickle=False)
    return Entry(array.dtype.str.lstrip("<>|"), array.shape, array.copy)


def _archive(content: bytes, limit: int) -> object:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > limit:
            raise CheckpointError(f"unpacks to more than {limit:,} bytes")
        names = [member.filename for member in members]
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if not pickles:
            arrays = [name for name in names if name.endswith(".npy")]
            if not arrays:
                raise CheckpointError("is an archive without tensors")
            return {name.removesuffix(".npy"): _npy(archive.read(name)) for name in arrays}
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != b"little":
            raise CheckpointError("was written on a big-endian machine")
        data = f"{root}data/"
        records = {
            name.removeprefix(data): archive.read(name) for name in names if name.startswith(data)
        }
        return read_objects(archive.read(pickles[0]), _meanings(TorchTensors(records, LIMIT)))


def _meanings(tensors: TorchTensors) -> ObjectMeanings:
    def look_up(reference: tuple[Any, ...]) -> object:
        if reference[0] == "module":  # as PyTorch before 1.6 noted the source of a class
            return reference[1]
        if any(part is not None for part in reference[5:]):
            raise PickleError("refers to a part of a storage, as PyTorch before 0.4 wrote it")
        return tensors.look_up(reference[:5])

    def call(name: str) -> Callable[..., object]:
        return lambda *arguments: tensors.call(name, arguments)

    calls: dict[str, Callable[..., object]] = {
        **ARRAY_CALLS,
        "collections.OrderedDict": dict,
        "torch._utils._rebuild_parameter": lambda *given: given[0],
        "torch._utils._rebuild_parameter_with_state": lambda *given: given[0],
        "torch.storage._load_from_bytes": _content,
        **{name: call(name) for name in (REBUILD_TENSOR, REBUILD_NEWER_TENSOR)},
    }

    def rebuild(function: Name, kind: object, given: tuple[Any, ...], *_: object) -> object:
        """A tensor with attributes of its own, which are left out."""
        return calls[function.full](*given)

    calls["torch._tensor._rebuild_from_type_v2"] = rebuild
    return ObjectMeanings(calls, look_up)


def _pickle(content: bytes) -> object:
    """A pickle of arrays or tensors; or several, as torch.save wrote them before 1.6."""
    no_storages = _meanings(TorchTensors({}, LIMIT))
    file = io.BytesIO(content)
    first = read_objects(file, no_storages)
    if first != LEGACY_MAGIC:
        return first
    for _ in range(2):  # the version of the protocol, and what the machine was like
        read_objects(file, no_storages)
    start = file.tell()
    kinds: dict[str, str] = {}

    def note_kind(reference: tuple[Any, ...]) -> object:
        if reference[0] == "storage" and isinstance(reference[1], Name):
            kinds[str(reference[2])] = STORAGES[reference[1].full.removeprefix("torch.")]
        return reference[1]

    read_objects(file, ObjectMeanings({}, note_kind))
    keys = read_objects(file, no_storages)
    records: dict[str, bytes] = {}
    for key in keys if isinstance(keys, list) else []:
        count = int.from_bytes(file.read(8), "little")
        records[str(key)] = file.read(count * itemsize(kinds[str(key)]))
    file.seek(start)
    return read_objects(file, _meanings(TorchTensors(records, LIMIT)))
