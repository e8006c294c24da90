"""Tensors in what `torch.save` writes: a zip archive with a pickle and the bytes of every storage.

The pickle may only put tensors into a dict by name, a part of what `torch.load(weights_only=True)`
allows.
"""

import io
import zipfile

from lthctl.errors import CheckpointError
from lthctl.interop.entries import Entry, OtherContentError
from lthctl.interop.torch_tensors import TorchTensors, kind_of
from lthctl.pickles import OpcodeError, PickleError, read_pickle

WAY_OUT = "save the state_dict alone: torch.save(model.state_dict(), FILE)"

PICKLE_LIMIT = 2**21  # bytes; a tensor takes some 200

NEWEST_PROTOCOL = 5
"""Of pickles, as Python has them; nothing here imports what would run one."""

PROTOCOLS = (2, 3)
"""What `torch.save` writes by itself, and one that differs from it in nothing that tensors need."""


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
    refuse_protocol(pickled)
    try:
        tensors = read_pickle(pickled, TorchTensors(records, limit), max_opcodes=PICKLE_LIMIT)
    except OpcodeError as error:
        raise OtherContentError(f"{error}, which no dict of tensors does; {WAY_OUT}") from error
    except PickleError as error:
        raise OtherContentError(f"{error}; {WAY_OUT}") from error
    if not isinstance(tensors, dict):
        raise CheckpointError(
            f"holds one {kind_of(tensors)}, expected a dict of names and tensors; {WAY_OUT}"
        )
    others = [name for name, value in tensors.items() if not isinstance(value, Entry)]
    if others:
        named = ", ".join(f"{name[:40]!r} ({kind_of(tensors[name])})" for name in others[:5])
        raise OtherContentError(f"holds more than tensors by name: {named}; {WAY_OUT}")
    return tensors


def refuse_protocol(pickled: bytes) -> None:
    """Refuse a pickle of another protocol than the usual one; torch itself cannot read it safely.

    Raises:
      CheckpointError: it is of another; says of which.
    """
    protocol = pickled[1] if pickled[:1] == b"\x80" and len(pickled) > 1 else None
    if protocol in PROTOCOLS or (protocol or 0) > NEWEST_PROTOCOL:
        return  # a number that no protocol has is damage
    said = "0 or 1" if protocol is None else protocol
    raise CheckpointError(
        f"was saved with pickle_protocol={said}, which neither lthctl nor "
        "torch.load with weights_only=True reads; save it again with torch.save's own, which is 2: "
        "leave the argument out"
    )


def _folder_of(archive: zipfile.ZipFile, size: int) -> str:
    """The folder in an archive that holds all the rest; with nothing in it that is too large."""
    members = {member.filename: member for member in archive.infolist()}
    pickles = [name for name in members if name.endswith("/data.pkl")]
    if len(pickles) != 1:  # none is in an .npz of NumPy's
        raise OtherContentError(
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
